"""What obstore is told of each cloud, and at which address a browser finds what lies there.

Credentials come from where each cloud's own tools look for them: variables, the profiles of
`~/.aws`, gcloud's application default credentials, Azure's command line, the machine's role.
"""

import configparser
import importlib
import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samebit.errors import UsageError

__all__ = ["ADDRESSES", "CONFIGS"]


def _s3(options: Mapping[str, str]) -> dict[str, Any]:
    profile = options.get("profile") or os.environ.get("AWS_PROFILE") or "default"
    found = _aws_profile(profile)
    asked = options.get("profile") or os.environ.get("AWS_PROFILE")
    if asked and not found:
        raise UsageError(f"there is no profile {profile!r} in the files of ~/.aws")
    config: dict[str, Any] = {}
    if asked or "AWS_ACCESS_KEY_ID" not in os.environ:
        for theirs, ours in (
            ("aws_access_key_id", "access_key_id"),
            ("aws_secret_access_key", "secret_access_key"),
            ("aws_session_token", "session_token"),
        ):
            if found.get(theirs):
                config[ours] = found[theirs]
        if found and "access_key_id" not in config and _has("boto3"):
            config |= _by_boto(profile)  # a role, single sign-on, a program: its own business
    endpoint = (
        options.get("endpoint")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
        or found.get("endpoint_url")
    )
    if endpoint:
        config["endpoint"] = endpoint
        config["virtual_hosted_style_request"] = False
    region = (
        options.get("region")
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or found.get("region")
        or ("us-east-1" if endpoint else None)
    )
    if region:
        config["region"] = region
    return config


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _by_boto(profile: str) -> dict[str, Any]:
    boto3 = importlib.import_module("boto3")
    provider = importlib.import_module("obstore.auth.boto3").Boto3CredentialProvider
    try:
        return {"credential_provider": provider(boto3.Session(profile_name=profile))}
    except Exception as error:
        raise UsageError(f"the profile {profile!r} gives no credentials: {error}") from error


def _aws_profile(name: str) -> dict[str, str]:
    """What the two files of AWS' own tools say of a profile."""
    home = Path.home() / ".aws"
    found: dict[str, str] = {}
    for variable, file, section in (
        ("AWS_CONFIG_FILE", "config", name if name == "default" else f"profile {name}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name),
    ):
        path = Path(os.environ.get(variable) or home / file).expanduser()
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the settings of AWS: {error}", path=path) from error
        if parser.has_section(section):
            found |= dict(parser.items(section))
    return found


def _gs(options: Mapping[str, str]) -> dict[str, Any]:
    # Variables and gcloud's application default credentials are found by obstore itself.
    return {"base_url": options["endpoint"]} if options.get("endpoint") else {}


def _az(options: Mapping[str, str]) -> dict[str, Any]:
    account = options.get("account") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    account = account or os.environ.get("AZURE_STORAGE_ACCOUNT")
    if not account:
        raise UsageError(
            "the account of Azure is not known", hint="--account NAME, or AZURE_STORAGE_ACCOUNT"
        )
    config: dict[str, Any] = {"account_name": account}
    if options.get("endpoint"):
        config["endpoint"] = options["endpoint"]
    keys = ("KEY", "SAS_TOKEN", "CONNECTION_STRING", "ACCESS_KEY", "ACCOUNT_KEY", "SAS_KEY")
    known = any(f"AZURE_STORAGE_{key}" in os.environ for key in keys)
    known = known or "AZURE_CLIENT_ID" in os.environ
    if key := os.environ.get("AZURE_STORAGE_KEY"):
        config["account_key"] = key
    if not known and shutil.which("az"):
        config["use_azure_cli"] = True
    return config


CONFIGS = {"s3": _s3, "gs": _gs, "az": _az}


def _s3_address(name: str, config: Mapping[str, Any]) -> str:
    if "endpoint" in config:
        return f"{config['endpoint'].rstrip('/')}/{name}"
    host = f"s3.{config.get('region', 'us-east-1')}.amazonaws.com"
    # A certificate is for one name below the host, and a dot would make it two.
    return f"https://{host}/{name}" if "." in name else f"https://{name}.{host}"


def _gs_address(name: str, config: Mapping[str, Any]) -> str:
    url = config.get("base_url", "https://storage.googleapis.com")
    return f"{url.rstrip('/')}/{name}"


def _az_address(name: str, config: Mapping[str, Any]) -> str:
    host = f"https://{config['account_name']}.blob.core.windows.net"
    return f"{config.get('endpoint', host).rstrip('/')}/{name}"


ADDRESSES = {"s3": _s3_address, "gs": _gs_address, "az": _az_address}
