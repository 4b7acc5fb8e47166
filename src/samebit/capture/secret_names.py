"""Which names say that a secret follows: of variables, options, keys of a config, and files.

Names are cut into words, because machine learning is full of tokens, keys and authors that are
none. A few values hide nothing even under such a name: a flag, a reference, a word of a vocabulary.
"""

import re
from functools import lru_cache

__all__ = ["hides_nothing", "is_secret_file", "is_secret_name", "name_class"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # api_key, apiKey, APIKey, API-KEY_2
_GLUED = re.compile(
    r"(.+?)(token|secret|password|passwd|passphrase|pwd|key)s?"
)  # dbpassword, apikey


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALWAYS = _words(
    "password passwords passwd passwds passphrase passcode pwd credential credentials creds cred"
    " bearer authorization jwt"
)
_KEY_OF = _words(
    "api access secret private ssh encryption encrypt signing account auth client storage"
    " subscription master deploy shared license wandb aws azure gcp openai"
    " anthropic ssl tls rsa pgp gpg hmac kaggle comet neptune"
)
_PASS_OF = _words(
    "db database mysql postgres pg mongo redis smtp mail email user http proxy ftp ssh root admin"
    " login"
)
_AFTER_SECRET = _words("key access token id value text string base code current prod dev")
_AFTER_TOKEN = _words(
    "secret value string key github gitlab hf huggingface hub wandb slack telegram openai"
)
_TOKEN_OF_A_VOCABULARY = _words(
    "pad eos bos cls class sep separator delimiter unk unknown mask masked start end begin stop"
    " special sos eod eot eom blank null empty image img video audio speech text vision visual"
    " patch register reg dist distil distillation query latent memory object soft prompt prefix"
    " suffix instance placeholder initializer trigger per each next prev previous last first"
    " current by n num max min avg mean total sub word char byte decoder encoder forced fill middle"
    " response assistant system tool think thinking reasoning target source src tgt input output"
    " additional extra control language lang domain task position time space global local context"
    " summary newline rare new add added learnable action state goal reward return codebook"
    " discrete draft bad good single multi to from with box point region frame motion music"
    " sentence paragraph answer question label"
)
# A name that ends so tells something about a secret, not the secret.
_ABOUT = _words(
    "file filename path dir directory folder env envvar var name names length len size dim dims"
    " bits type types kind mode policy count url uri endpoint provider format ttl expiry expires"
    " timeout required enabled min max sock"
)
_THE_SHELLS_OWN = ("PWD", "OLDPWD")

# Values that hide nothing; a flag's, an unset option's.
_PLAIN = _words("true false none null yes no on off auto ask prompt 0 1") | {""}
_REFERENCE = re.compile(r"\$\w+|\$\{[^},]*\}")  # $KEY, ${oc.env:KEY}; a default after a comma tells
_VOCABULARY_ENTRY = re.compile(r"<[^>]*>|\[[^\]]*\]|\d{1,7}")  # <pad>, [MASK], 50256


def is_secret_name(name: str) -> bool:
    """Whether a variable, option or config key of this name holds a secret."""
    return name_class(name) is not None


@lru_cache(maxsize=2048)
def name_class(name: str) -> str | None:
    """`secret`; `token`, where text is secret but a number is an entry of a vocabulary; or None."""
    if name in _THE_SHELLS_OWN:
        return None
    words: list[str] = []
    for word in _WORD.findall(name):
        lower = word.lower()
        glued = _GLUED.fullmatch(lower)
        words += [glued[1], glued[2]] if glued else [lower]
    if not words or words[-1] in _ABOUT:
        return None
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        after = words[at + 1] if at + 1 < len(words) else ""
        if word in _ALWAYS or (word in ("key", "keys") and before in _KEY_OF):
            return "secret"
        if word == "pass" and before in _PASS_OF:
            return "secret"
        if word in ("secret", "secrets", "auth", "oauth", "cookie", "cookies") and not after:
            return "secret"
        if word == "secret" and after in _AFTER_SECRET:
            return "secret"
        if word in ("token", "tokens"):
            if before in ("auth", "access", "api", "refresh", "bearer", "private"):
                return "secret"
            if word == "token" and before not in _TOKEN_OF_A_VOCABULARY:
                if not after:
                    return "token"
                if after in _AFTER_TOKEN:
                    return "secret"
    return None


def hides_nothing(value: str, of_class: str) -> bool:
    """Whether a value under a name of this class is no secret all the same."""
    return (
        value.lower() in _PLAIN
        or _REFERENCE.fullmatch(value) is not None
        or (of_class == "token" and _VOCABULARY_ENTRY.fullmatch(value) is not None)
    )


# Files -----------------------------------------------------------------------------------------

_SECRET_FILE = re.compile(
    r"""(?x)
    \.env(\.(?!example$|sample$|template$|dist$|defaults?$).+)? | .+\.env | \.envrc
    | .+\.(pem|key|pfx|p12|jks|keystore|ppk|kdbx)
    | id_(rsa|dsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk)
    | [._]netrc | \.pgpass | pgpass\.conf | \.my\.cnf | \.npmrc | \.pypirc | \.s3cfg | \.boto
    | \.?htpasswd | \.git-credentials | \.dockercfg | \.cometml?\.config | kubeconfig
    | (\.|.+[._-])?(secrets?|credentials?)(\.(json|toml|ya?ml|ini|cfg|conf|txt|env|csv))?
    | client_secret.*\.json | service[-_]?account.*\.json | kaggle\.json
    """
)
_SECRET_PLACE = re.compile(  # files whose own name says nothing
    r"(?:^|/)(?:\.docker/config\.json|\.kube/config|\.?huggingface/(?:stored_)?tokens?)$"
)


def is_secret_file(path: str) -> bool:
    """Whether a file of this name holds secrets; only the name is looked at."""
    lower = path.replace("\\", "/").lower()
    name = lower.rpartition("/")[2]
    return _SECRET_FILE.fullmatch(name) is not None or _SECRET_PLACE.search(lower) is not None
