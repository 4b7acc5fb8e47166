"""What looks like a secret, by the name before it or by its shape, and how it is masked.

A name (variable, option, config key) says that a secret follows; which do, `secret_names` knows. A
shape (`ghp_…`, `AKIA…`, a password in a URL) gives itself away anywhere in a text. Every pattern
here is linear: what a training prints may be megabytes long and ours to read.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from samebit.capture.secret_names import hides_nothing, is_secret_name, name_class

__all__ = [
    "MASK",
    "LineMasker",
    "mask_arguments",
    "mask_text",
    "mask_url",
    "mask_values",
]

MASK = "****"

# Shapes ----------------------------------------------------------------------------------------

# Every alternative begins at the border of a word and takes its characters possessively, so that no
# text, however long, is read more than a few times.
_SHAPES = re.compile(
    r"""(?x) (?<![A-Za-z0-9_]) (?:
      (?: AKIA | ASIA ) [0-9A-Z]{16}
    | gh[pousr]_ [A-Za-z0-9]{30,}+
    | github_pat_ \w{20,}+
    | gl(?:pat|dt|rt|cbt)- [\w-]{18,}+ (?: \. \w{2} \. \w{6,}+ )?
    | hf_ [A-Za-z0-9]{30,}+
    # A digit, and a capital or many in a row: sk-learn-and-friends and sk-resnet50-large have not.
    | sk- (?= [\w-]{0,80} \d ) (?= [\w-]{0,80} [A-Z] | (?: [a-z0-9]{1,10} - ){0,3} [a-z0-9]{16} )
      [\w-]{18,}+
    | [rs]k_ (?: live | test ) _ [A-Za-z0-9]{16,}+
    | whsec_ [A-Za-z0-9+/=]{24,}+
    | xox[abeoprs]- [A-Za-z0-9-]{10,}+
    | xapp- [A-Za-z0-9-]{20,}+
    | AIza [\w-]{35}
    | ya29\. [\w-]{20,}+
    | eyJ [\w-]{8,}+ \. [\w-]{8,}+ \. [\w-]*+         # a JSON web token
    | npm_ [A-Za-z0-9]{36}
    | pypi- [\w-]{50,}+
    | SG\. [\w-]{16,}+ \. [\w-]{16,}+
    | nvapi- [\w-]{40,}+
    | gsk_ [A-Za-z0-9]{40,}+
    | r8_ [A-Za-z0-9]{37}
    | dapi [0-9a-f]{32}
    | wandb_v\d_ \w{20,}+
    | dckr_pat_ [\w-]{20,}+
    | dop_v1_ [0-9a-f]{64}
    | lin_api_ \w{30,}+
    | GOCSPX- [\w-]{20,}+
    | 1//0 [\w-]{30,}+                                 # Google's refresh tokens
    | pplx- [A-Za-z0-9]{40,}+
    | xai- [A-Za-z0-9]{60,}+
    | ATATT3x [\w=-]{40,}+
    | hv[sb]\. [\w-]{20,}+
    | sntrys_ [\w+/=-]{30,}+
    | glsa_ [A-Za-z0-9]{32} _ [0-9a-fA-F]{8}
    | shp(?:at|ss|ca|pa)_ [0-9a-fA-F]{32}
    | sq0(?:atp|csp)- [\w-]{20,}+
    | [\w.-]{3} 8Q~ [\w.~-]{30,}+                      # a secret of an Azure application
    | tskey- [a-z]{3,10} - [\w-]{16,}+
    | AGE-SECRET-KEY-1 [0-9A-Z]{40,}+
    | \d{8,10} : AA [\w-]{33}                         # a Telegram bot
    )
    """
)
_PATH_SHAPES = re.compile(  # addresses that are secrets themselves
    r"(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/)[\w/-]++"
)
_BEARER = re.compile(r"(?i)(?<!\w)(bearer\s{1,4})(?=[^\s\"']{0,200}\d)[\w.~+/=-]{8,}+")
# Forty hex digits are a git commit; only after W&B's own words are they a key.
_WANDB = re.compile(
    r"(?i)(wandb[^\n]{0,30}?(?:login|key)[^\n]{0,30}?(?<![0-9a-f]))[0-9a-f]{40}(?![0-9a-f])"
)
# Programs that take a password behind one letter, or in a line of `.netrc`.
_SHORT = re.compile(
    r"""(?x) (?<![\w-]) (?:
      (?P<user> curl [ ] [^\n|;]{0,200}? (?: -u | --user ) [ =] [^\s:]{1,100} : ) [^\s"']++
    | (?P<login>
        (?: (?: docker | podman ) [ ] login | sshpass ) [ ] [^\n|;]{0,200}? -p [ ]?
      ) [^\s"']++
    | (?P<netrc> login [ \t]+ \S{1,100} [ \t]+ password [ \t]+ ) \S++
    )
    """
)
_SHORT_HINTS = ("curl ", "sshpass ", "login")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_AUTHORITY = re.compile(r"://([^\s/?#\"'<>\\]++)")
_QUERY = re.compile(r"([?&][\w%.-]{1,60}+=)([^\s&#\"'<>]++)")
_ALSO_IN_A_QUERY = {"sig", "signature", "key", "code", "token"}

# What stands before a value: `name=`, `"name": `, `--name `. Values are matched apart from names,
# or in `args=Config(password='x')` the first value would swallow the second name.
_NAMED = re.compile(
    r"""(?x) (?<![\w.-])
    (?: --(?P<option>[A-Za-z][\w.-]{0,60}+) (?: = | [ ]{1,4} (?!--) )
      | (?P<name>[A-Za-z_][\w.-]{0,60}+) (?: \\? ["'] )? [ \t]{0,4} (?: :?= | => | : ) [ \t]{0,4} )
    """
)
_VALUE = re.compile(
    r"""(?x)
      (?P<open>\\") [^"\\\n]*+ (?P<close>\\"?)?         # JSON inside a text
    | (?P<open2>") (?: [^"\\\n] | \\. )*+ (?P<close2>"?)
    | (?P<open3>') (?: [^'\\\n] | \\. )*+ (?P<close3>'?)
    | \$\{ [^}\n]*+ \}
    | (?P<scheme>(?:bearer|basic|token)[ ]) [^\s"',;]++
    | [^\s"'\\,;)\]}]++
    """,
    re.IGNORECASE,
)

# A plain search for a substring is a few dozen nanoseconds: most lines are let go here.
_SHAPES_HOLD = (
    "akia asia ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- glrt- glcbt- hf_ sk- _live_"
    " _test_ whsec_ xox xapp- aiza ya29. eyj npm_ pypi- sg. nvapi- gsk_ r8_ dapi wandb_v :aa"
    " dckr_pat_ dop_v1_ lin_api_ tskey- age-secret-key-1"
    " gocspx- 1//0 pplx- xai- atatt3x hvs. hvb. sntrys_ glsa_ shpat_ shpss_ shpca_"
    " shppa_ sq0atp- sq0csp- 8q~"
)
_NAMES_HOLD = "token secret passw passp passc _pass pwd cred auth jwt key cookie"
_SHAPE_HINTS = tuple(_SHAPES_HOLD.split())
_NAME_HINTS = tuple(_NAMES_HOLD.split())


def mask_text(text: str) -> str:
    """The text with everything in it that has the name or the shape of a secret masked."""
    lower = text.lower()
    if "-----begin" in lower and "private key" in lower:
        text = _mask_private_keys(text)
    if "://" in text:
        text = _AUTHORITY.sub(_mask_authority, text)
        text = _QUERY.sub(_mask_query, text)
        text = _PATH_SHAPES.sub(rf"\1{MASK}", text)
    elif "sig=" in text and "&" in text:  # a shared access signature without its address
        text = _QUERY.sub(_mask_query, text)
    if _holds_any(lower, _SHAPE_HINTS):
        text = _SHAPES.sub(MASK, text)
    if _holds_any(lower, _NAME_HINTS):
        text = _BEARER.sub(rf"\1{MASK}", text)
        text = _WANDB.sub(rf"\1{MASK}", text)
        text = _mask_pairs(text)
    elif "wandb" in lower:
        text = _WANDB.sub(rf"\1{MASK}", text)
    if _holds_any(lower, _SHORT_HINTS):
        text = _SHORT.sub(_mask_short, text)
    return text


def _mask_short(match: re.Match[str]) -> str:
    kept = match["user"] or match["login"] or match["netrc"]
    return kept + MASK


def _holds_any(text: str, hints: tuple[str, ...]) -> bool:
    for hint in hints:  # noqa: SIM110  (`any` with a generator takes twice as long)
        if hint in text:
            return True
    return False


def mask_url(url: str) -> str:
    """An address without the credentials in it; other text is masked by its shapes."""
    return mask_text(url)


def _mask_private_keys(text: str) -> str:
    kept: list[str] = []
    at = 0
    while begin := _PEM.search(text, at):
        end = _PEM_END.search(text, begin.end())
        kept += [text[at : begin.end()], MASK, end[0] if end else ""]
        at = end.end() if end else len(text)
    return "".join([*kept, text[at:]])


def _mask_authority(match: re.Match[str]) -> str:
    # The last @ ends the credentials: people do not always escape one in a password.
    credentials, at_sign, host = match[1].rpartition("@")
    if not at_sign:
        return match[0]
    user, colon, password = credentials.partition(":")
    if colon and password:
        # Some services take the token as the user and a word as the password.
        user = MASK if len(user) >= 20 or password == "x-oauth-basic" else user
        return f"://{user}:{MASK}@{host}"
    scheme_is_http = match.string[: match.start()].endswith(("http", "https"))
    if scheme_is_http and user not in ("", "git", MASK):
        return f"://{MASK}{colon}@{host}"
    return match[0]


def _mask_query(match: re.Match[str]) -> str:
    name = match[1][1:-1]
    last = name.replace("_", "-").rpartition("-")[2].lower()
    if last in _ALSO_IN_A_QUERY or is_secret_name(name):
        return match[1] + MASK
    return match[0]


def _mask_pairs(text: str) -> str:
    kept: list[str] = []
    at = 0
    for named in _NAMED.finditer(text):
        name = named["option"] or named["name"]
        of_class = name_class(name)
        value = _VALUE.match(text, named.end()) if of_class and named.start() >= at else None
        if not of_class or value is None:
            continue
        opening = value["open"] or value["open2"] or value["open3"] or value["scheme"] or ""
        closing = value["close"] or value["close2"] or value["close3"] or ""
        content = value[0][len(opening) : len(value[0]) - len(closing)]
        if hides_nothing(content, of_class) or content.startswith(MASK):
            continue
        if not opening and _is_prose(name, of_class, content):
            continue
        kept += [text[at : value.start()], opening, MASK, closing]
        at = value.end()
    return "".join([*kept, text[at:]]) if kept else text


def _is_prose(name: str, of_class: str, value: str) -> bool:
    """`token: the`, `auth: ok`: what is worth hiding behind such words has letters and digits."""
    if of_class != "token" and name.lower() not in ("auth", "secret", "authorization"):
        return False
    return len(value) < 8 or value.isalpha() or not any(map(str.isalpha, value))


class LineMasker:
    """Masks a text that comes line by line; it remembers that a private key is still open."""

    def __init__(self) -> None:
        self._lines_of_key = 0

    def mask(self, line: str) -> str:
        """The next line, masked."""
        if self._lines_of_key:
            end = _PEM_END.search(line) if "-----END" in line else None
            # A key has fewer lines; what goes on longer was never one, and is not lost for ever.
            self._lines_of_key = 0 if end or self._lines_of_key > 200 else self._lines_of_key + 1
            return MASK + (mask_text(line[end.start() :]) if end else "")
        if "-----BEGIN" in line and _PEM.search(line) and not _PEM_END.search(line):
            self._lines_of_key = 1
        return mask_text(line)


# Arguments and configs -------------------------------------------------------------------------

# Programs, and the options after which they take a password, or a user with one.
_TAKES = {
    "curl": ("-u", "--user", "-U", "--proxy-user"),
    "sshpass": ("-p",),
}


def mask_arguments(arguments: Sequence[str]) -> tuple[list[str], list[int]]:
    """Command-line words with their secrets masked, and the positions that were changed."""
    masked: list[str] = []
    follows: str | None = None  # the class of the option whose value comes next
    program = arguments[0].rpartition("/")[2] if arguments else ""
    for at, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        shown = mask_text(argument)
        if follows and not argument.startswith("--"):
            shown = argument if hides_nothing(argument, follows) else MASK
            follows = None
        else:
            is_option = name.startswith("-")
            # Only a name can be followed by a secret; `http://host?x=y` or a sentence cannot.
            of_class = name_class(name) if re.fullmatch(r"[-+~]*[\w.@/-]+", name) else None
            follows = of_class if is_option and not equals else None
            if of_class and equals and not hides_nothing(value.strip("\"'"), of_class):
                shown = f"{name}={MASK}"
        if at and (taken := _TAKES.get(program)) and arguments[at - 1] in taken:
            user, colon, _ = argument.partition(":")
            is_user = program == "curl"
            shown = f"{user}:{MASK}" if is_user and colon else argument if is_user else MASK
        masked.append(shown)
    changed = [
        at for at, (old, new) in enumerate(zip(arguments, masked, strict=True)) if old != new
    ]
    return masked, changed


def mask_values(value: Any) -> Any:
    """A nested plain value (a config) with secrets masked, by the names of keys and by shapes."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {key: _mask_under(key, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        masked = [mask_values(item) for item in value]
        if masked and all(isinstance(item, str) for item in value):  # words of a command, perhaps
            words, changed = mask_arguments(value)
            masked = [words[at] if at in changed else old for at, old in enumerate(masked)]
        return tuple(masked) if isinstance(value, tuple) else masked
    return value


def _mask_under(key: object, value: Any) -> Any:
    of_class = name_class(key) if isinstance(key, str) else None
    if of_class is None or (of_class == "token" and not isinstance(value, str)):
        return mask_values(value)
    return _mask_all(value, of_class)


def _mask_all(value: Any, of_class: str) -> Any:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str) and hides_nothing(value, of_class):
        return value
    if isinstance(value, Mapping):
        return {key: _mask_all(item, of_class) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mask_all(item, of_class) for item in value]
    return MASK
