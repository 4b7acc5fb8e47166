"""What a process finds around it: environment and machine at once, settings when training begins.

Settings are read back twice, for a script sets them before its first step and a library may change
them later; what was installed is looked at last, when everything is loaded that will be.
"""

import os
from collections.abc import Callable
from typing import Any

from samebit import disk, places
from samebit.capture import environment, installed, machine
from samebit.capture import settings as in_force
from samebit.capture.variables import variables
from samebit.objects.store import Store
from samebit.places import Settings

__all__ = ["Surroundings"]

_INSTALLED_S = 0.5  # for what was installed and is not known from an earlier run


class Surroundings:
    """The facts about them.

    Args:
        fact: takes each.
        store: where files go that are not as they were installed.
        settings: which variables are allowed beside those that are known.
    """

    def __init__(self, fact: Callable[[str, Any], None], store: Store, settings: Settings) -> None:
        self._fact = fact
        self._store = store
        self._allow = settings.env_allow
        self._in_force: dict[str, Any] = {}

    @property
    def has_settings(self) -> bool:
        """Whether the settings were told already."""
        return bool(self._in_force)

    def tell_environment(self) -> None:
        """What does not change while the process runs."""
        disk.fault("capture.environment")
        self._fact("interpreter", environment.interpreter())
        self._fact("packages", environment.packages())
        self._fact("variables", variables(os.environ, self._allow))
        self._fact("machine", machine.describe())

    def tell_settings(self) -> None:
        """At the first step, and at the end what is different then."""
        disk.fault("capture.settings")
        before, self._in_force = self._in_force, in_force.read()
        if not before:
            self._fact("settings", self._in_force)
        elif found := in_force.changed(before, self._in_force):
            self._fact("settings_changed", found)

    def tell_installed(self) -> None:
        """Which loaded files are not as they were installed."""
        disk.fault("capture.installed")
        cache = places.cache_folder() / "installed-2"
        found = installed.check(installed.loaded_files(), cache, _INSTALLED_S, self._store.put)
        self._fact("installed", found)
