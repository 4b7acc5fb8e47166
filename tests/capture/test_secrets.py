import pytest
from hypothesis import given
from hypothesis import strategies as st

from samebit.capture.secrets import (
    MASK,
    LineMasker,
    mask_arguments,
    mask_text,
    mask_url,
    mask_values,
)
from tests.strategies import plain_values

# Built from halves, so that no scanner takes this file for a leak.
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "aB3" * 12
HUGGING_FACE = "hf_" + "aBcDeFgHiJ" * 3 + "klmn"
OPENAI = "sk-" + "proj-aB3dEf6hIj9kLm2nOp5q"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmN"
SHAPES = [
    AWS,
    GITHUB,
    HUGGING_FACE,
    OPENAI,
    JWT,
    "github_pat_" + "11ABCDEFG0aBcDeFgHiJkL",
    "glpat-" + "aBcDeFgHiJkLmNoPqRsT",
    "sk-" + "ant-api03-aBcDeFgHiJkLmNoPqRsT",
    "xoxb-" + "123456789012-abcdefABCDEF",
    "AIza" + "SyA" + "b1" * 16,
    "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc",
    "npm_" + "a1B2c3" * 6,
    "1234567890:" + "AA" + "b1C" * 11,
]


@pytest.mark.parametrize("secret", SHAPES)
def test_a_secret_is_masked_by_its_shape_wherever_it_stands(secret: str) -> None:
    for text in ("{}", "using {} now", "('{}',)", "a\n{}\nb", "x={}", '{{"a": "{}"}}', "/{}/"):
        masked = mask_text(text.format(secret))
        assert secret not in masked
        assert MASK in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://me:hunter2@example.org/a.git", "https://me:****@example.org/a.git"),
        ("https://me:p@ss@example.org/a", "https://me:****@example.org/a"),
        ("https://sometoken@example.org/a", "https://****@example.org/a"),
        ("redis://:pw@cache:6379/0", "redis://:****@cache:6379/0"),
        ("postgres+x://u:pw@h", "postgres+x://u:****@h"),
        ("git+https://git@example.org/a", "git+https://git@example.org/a"),
        ("ssh://git@example.org/a", "ssh://git@example.org/a"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
        ("https://h/a?token=5&page=2", "https://h/a?token=****&page=2"),
        ("https://h/a?X-Amz-Signature=0ab", "https://h/a?X-Amz-Signature=****"),
        ("https://h/a?sv=2020&sig=a%2Fb", "https://h/a?sv=2020&sig=****"),
        ("https://h/a@b/c", "https://h/a@b/c"),
    ],
)
def test_addresses_lose_their_credentials_and_nothing_else(text: str, masked: str) -> None:
    assert mask_url(text) == masked
    assert mask_text(f"from <{text}>, now") == f"from <{masked}>, now"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2", "password=****"),
        ("api_key: abc def", "api_key: **** def"),
        ("{'api_key': 'a b', 'lr': 1}", "{'api_key': '****', 'lr': 1}"),
        ('{"db": {"password": "a\\"b"}}', '{"db": {"password": "****"}}'),
        (r"{\"api_key\": \"abc\", \"lr\": 1}", r"{\"api_key\": \"****\", \"lr\": 1}"),
        ("Namespace(a=Config(password='x'), lr=1)", "Namespace(a=Config(password='****'), lr=1)"),
        ('password="unfinished business', 'password="****'),
        ("train.py --api-key abc --lr 1", "train.py --api-key **** --lr 1"),
        ("Authorization: Basic dXNlcjpw", "Authorization: Basic ****"),
        ("-H 'Authorization: Bearer abc1.def'", "-H 'Authorization: Bearer ****'"),
        ("AccountKey=aGVsbG8=;Suffix=core", "AccountKey=****;Suffix=core"),
        ("token=s3cr3tvalue", "token=****"),
        ("wandb login " + "0a" * 20, "wandb login ****"),
        ("wandb.login(key='" + "0a" * 20 + "')", "wandb.login(key='****')"),
        ("wandb: your api key is " + "0a" * 20, "wandb: your api key is ****"),
        ("https://hooks.slack.com/services/T0/B0/x9", "https://hooks.slack.com/services/****"),
    ],
)
def test_pairs_in_a_text_are_masked_by_their_name(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "HEAD is now at " + "0a" * 20,
        "epoch 3 | loss 0.25 | 1234.5 tokens/s | key 5",
        "Token: the  next token: cat",
        "pad_token='<pad>' num_tokens=32000 token_dim=64",
        "token='<image>' token: 50256",
        "author: Ada, tokenizer=bert-base-uncased-with-a-long-name-0123",
        "from sk-learn-contrib-with-friends import forest",
        "password=${oc.env:DB_PASSWORD} api_key=None use_auth_token=True password=",
        "the bearer of bad news",
        "sha256:" + "0a" * 32,
        "",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert mask_text(text) == text


KEY = "-----BEGIN {0}PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END {0}PRIVATE KEY-----"


@pytest.mark.parametrize("kind", ["", "RSA ", "OPENSSH ", "EC "])
def test_a_private_key_is_masked_as_a_block_and_line_by_line(kind: str) -> None:
    text = f"before\n{KEY.format(kind)}\nafter"
    masker = LineMasker()
    for masked in (mask_text(text), "\n".join(map(masker.mask, text.split("\n")))):
        assert "MIIEow" not in masked
        assert "IBAAKC" not in masked
        assert masked.startswith("before\n")
        assert masked.endswith("\nafter")


def test_a_key_that_never_ends_does_not_hide_the_rest_of_the_console() -> None:
    masker = LineMasker()
    masker.mask("-----BEGIN RSA PRIVATE KEY-----")
    shown = [masker.mask(f"line {n}") for n in range(500)]
    assert shown[0] == MASK
    assert shown[-1] == "line 499"


def test_arguments_are_masked_and_their_positions_told() -> None:
    given_words = {
        "train.py": "train.py",
        "--api-key": "--api-key",
        "V": MASK,
        "--hub_token=hf": f"--hub_token={MASK}",
        "--lr": "--lr",
        "0.1": "0.1",
        "db.password=a,b c": f"db.password={MASK}",
        "+logger.api_key=x": f"+logger.api_key={MASK}",
        "model.tokenizer=bert": "model.tokenizer=bert",
        "https://u:p@h/x": f"https://u:{MASK}@h/x",
        GITHUB: MASK,
        "--pad-token": "--pad-token",
        "<pad>": "<pad>",
        "--use-auth-token": "--use-auth-token",
        "true": "true",
        '{"password": "x"}': f'{{"password": "{MASK}"}}',
        "--password": "--password",
        "--epochs": "--epochs",
        "3": "3",
    }
    masked, positions = mask_arguments(list(given_words))
    assert masked == list(given_words.values())
    assert positions == [at for at, (a, b) in enumerate(given_words.items()) if a != b]


def test_a_config_is_masked_by_the_names_of_its_keys_and_by_shapes() -> None:
    config = {
        "lr": 0.1,
        "db": {"user": "me", "password": "x", "pin_password": 1234, "url": "pg://me:x@h"},
        "credentials": {"id": "me", "parts": ["a", "b"], "ttl": None, "on": True},
        "token": 50256,
        "pad_token": "<pad>",
        "tokens": ["a"],
        "hub_token": "abc",
        "api_key": "${oc.env:KEY}",
        "notes": ["see", f"key {OPENAI}"],
        "betas": (0.9, 0.999),
    }
    assert mask_values(config) == {
        "lr": 0.1,
        "db": {"user": "me", "password": MASK, "pin_password": MASK, "url": "pg://me:****@h"},
        "credentials": {"id": MASK, "parts": [MASK, MASK], "ttl": None, "on": True},
        "token": 50256,
        "pad_token": "<pad>",
        "tokens": ["a"],
        "hub_token": MASK,
        "api_key": "${oc.env:KEY}",
        "notes": ["see", "key ****"],
        "betas": (0.9, 0.999),
    }


@given(plain_values)
def test_masking_a_config_twice_changes_nothing_more(value: object) -> None:
    once = mask_values(value)
    assert repr(mask_values(once)) == repr(once)


@given(st.text(max_size=200), st.sampled_from(SHAPES), st.text(max_size=200))
def test_no_text_around_a_secret_gives_it_away(before: str, secret: str, after: str) -> None:
    assert secret not in mask_text(f"{before}\n{secret}\n{after}")


ADVERSARIAL = ["a", "a-", "a.", "eyJ", "eyJaaaaaaaa.", "sk-", "://a", "a@", "wandbkey", "password="]
ADVERSARIAL += ["bearer ", "--token ", "?key=", "key'", 'password="\\"', "key \t", "12345678:AA"]
ADVERSARIAL += ["curl -u ", "login a ", "docker -p", "abc8Q~", "1//0-", "sq0atp-."]
ADVERSARIAL += ["-----BEGIN PRIVATE KEY-----", "-----END ", "hf_" + "a" * 29 + ".", "secret="]


# A quadratic pattern would take hours for a megabyte.
@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ADVERSARIAL)
def test_no_long_line_makes_masking_slow(piece: str) -> None:
    mask_text("key ://" + piece * (1_000_000 // len(piece)))


# What people really print, export and pass; `#` stands where the secret does.
EVERYDAY = r"""
aws_secret_access_key = #
export AWS_SECRET_ACCESS_KEY=#
--aws-secret-access-key #
aws_session_token = FwoGZXIvYXdz#
{"type": "service_account", "private_key_id": "#", "client_email": "a@b.iam"}
{"private_key": "-----BEGIN PRIVATE KEY-----\nMII#\nabc=\n-----END PRIVATE KEY-----\n"}
WANDB_API_KEY=#
COMET_API_KEY=#
NEPTUNE_API_TOKEN=#==
MLFLOW_TRACKING_PASSWORD=#
KAGGLE_KEY=#
HUGGINGFACEHUB_API_TOKEN=#
https://user:#@host/x
postgresql+psycopg://u:#@db:5432/x
mongodb+srv://u:#@c.mongodb.example/?x=1
https://oauth2:#@gitlab.example/x.git
pip --extra-index-url https://__token__:#@h/simple
DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=#==;EndpointSuffix=core
BlobEndpoint=https://a.blob.example/;SharedAccessSignature=sv=2022-11-02&ss=b&sig=#%3D
https://a.blob.example/c/b?sv=2022-11-02&sr=b&sp=r&sig=#%3D
?sv=2022-11-02&ss=b&srt=sco&se=2030-01-01T00:00:00Z&spr=https&sig=#%3D
Endpoint=sb://ns.bus.example/;SharedAccessKeyName=Root;SharedAccessKey=#=
Server=tcp:x.db.example;Database=d;User ID=u;Password=#;
AZURE_CLIENT_SECRET=#
AZURE_STORAGE_SAS_TOKEN=sv=1&sig=#
train.py --password #
train.py --password=#
password=#
{"password":"#"}
PGPASSWORD=# psql
MYSQL_PWD=#
Authorization: Bearer #
authorization: token #
X-API-Key: #
SENTRY_DSN=https://#@o1.ingest.example/1
""".strip().splitlines()
HIDDEN = ["0a" * 20, "aBcDeF123456ghIJkl78", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLE1"]


@pytest.mark.parametrize("line", EVERYDAY)
@pytest.mark.parametrize("hidden", HIDDEN, ids=["hex", "mixed", "long"])
def test_what_people_print_export_and_pass_is_masked(line: str, hidden: str) -> None:
    masked = mask_text(line.replace("#", hidden))
    assert hidden not in masked
    assert MASK in masked


MORE_SHAPES = [
    "gho_" + "a1B2" * 9,
    "ghs_" + "a1B2" * 9,
    "glpat-" + "aBcDeFgHiJkLmNoPqRsT.01.0z1a2b3c",
    "sk-" + "svcacct-" + "aB3" * 20,
    "sk-" + "0a1b2c3d" * 4,
    "sk-" + "or-v1-" + "0a1b2c3d" * 8,
    "xoxp-" + "1-2-3-abcdef0123456789",
    "xapp-" + "1-A0123-456-abcdef0123456789",
    "ya29." + "a0AfH6SMBx" + "a" * 20,
    "pypi-" + "AgEIcHlwaS5vcmcC" + "aB3" * 20,
    "SG." + "a" * 22 + "." + "b" * 43,
    "dckr_pat_" + "aB3-" * 7,
    "dop_v1_" + "0a" * 32,
    "lin_api_" + "aB3" * 14,
    "tskey-" + "auth-k123456CNTRL-abcdef1234567890",
    "AGE-SECRET-KEY-1" + "QPZRY9X8" * 7,
    "wandb_v1_" + "aB3" * 10,
    "ASIA" + "IOSFODNN7EXAMPLE",
    "GOCSPX-" + "aBcDeFgHiJ" * 3,
    "1//0" + "gaBcDeFgHi" * 4,
    "pplx-" + "0a1b2c3d" * 6,
    "xai-" + "aB3d" * 20,
    "ATATT3x" + "FfGF0aB3" * 8,
    "hvs." + "CAESIaB3" * 5,
    "sntrys_" + "eyJpYXQi" * 6,
    "glsa_" + "aB3d" * 8 + "_0a1b2c3d",
    "shpat_" + "0a1b" * 8,
    "sq0atp-" + "aBcDeFgHiJ" * 3,
    "abc" + "8Q~" + "aBcDeF0" * 5,
]


@pytest.mark.parametrize("secret", MORE_SHAPES)
def test_other_services_tokens_are_masked_whole(secret: str) -> None:
    assert mask_text(f"x={secret} y") == f"x={MASK} y"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("curl -s -u me:hunter2 https://h/x", "curl -s -u me:**** https://h/x"),
        ("docker login -u me -p hunter2", "docker login -u me -p ****"),
        ("sshpass -p hunter2 ssh h", "sshpass -p **** ssh h"),
        ("machine h login me password hunter2", "machine h login me password ****"),
    ],
)
def test_what_programs_take_behind_one_letter_is_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_the_words_of_a_command_are_masked_wherever_they_are_a_list() -> None:
    assert mask_arguments(["curl", "-u", "me:hunter2", "h"]) == (
        ["curl", "-u", "me:****", "h"],
        [2],
    )
    assert mask_arguments(["/usr/bin/sshpass", "-p", "hunter2"])[0][2] == MASK
    assert mask_arguments(["id", "-u", "me:hunter2"])[1] == []
    assert mask_values({"launch": [["--password", "hunter2", "--lr", "0.1"]]}) == {
        "launch": [["--password", MASK, "--lr", "0.1"]]
    }


@pytest.mark.parametrize(
    "line",
    [
        "docker run -p 8080:80 -u 1000:1000 image",
        "http -u is an option",
        "login to the node, then type the password there",
        "the curl of a field, -u is not v:w",
        "curly -u v:w",
        "8Q~",
        "1//0 = 1",
        "hvs.shape shp_file pplx-7b xai-org/grok-1",
    ],
)
def test_what_only_looks_like_such_a_command_is_shown(line: str) -> None:
    assert mask_text(line) == line


# Hyper-parameters, digests, ids and log lines that only sound like secrets.
OPEN_WORDS = """
token_length=128 num_tokens=4096 key_dim=64 n_key=3 tokenizer=bert-base-uncased tokenizer=gpt2
git=cf30153c4c131c8164ee7798e5022d810682e2cb run=zy54hwx39j md5=d41d8cd98f00b204e9800998ecf8427e
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
blake3:6f2a97abac43d656d46dc8b2eef23876553f6a3b702e16870422c84b1f90a08d
key_padding_mask=None use_key_bias=True key=value sort_key=loss primary_key=id foreign_key=1
attention_key_size=64 pass=3 passes=2 tokens/s=12345.6 tokens:1000000 token=5 max_new_tokens=20
pad_token_id=0 eos_token='</s>' bos_token=<s> cls_token=[CLS] author=me@example.org authors=3
checkpoint=s3://bucket/key/path.pt monitor.key=val_loss cookie_cutter=2 jwt_dim=3
model=sk-resnet50-long-name-with-few-digits hf_model=hf_internal exp=ghp_short
uuid=123e4567-e89b-12d3-a456-426614174000 2026-01-01T00:00:00 0x7f8922903510 eyJust_a_word
query_key_value=1 secret_size=3 password_length=8 api_url=http://localhost:8080 tokenization=bpe
optimizer=adamw_8bit key_1=3 tokens_seen=1e9 dataset=wikitext-103-raw-v1 k_proj=1
model.decoder.key_proj.weight tied_token_embeddings=true token_shift=1 auth_loss=0.5
https://example.org/a?page=2&sort=key&design=1
"""


@pytest.mark.parametrize("word", OPEN_WORDS.split())
def test_what_only_sounds_like_a_secret_is_shown(word: str) -> None:
    assert mask_text(word) == word
    assert mask_text(f"with {word} and more") == f"with {word} and more"
    assert mask_arguments([word]) == ([word], [])


def test_hyper_parameters_of_a_config_stay_as_they_are() -> None:
    config = {
        "tokenizer": "bert-base-uncased",
        "num_tokens": 4096,
        "token_length": 128,
        "attention": {"key_dim": 64, "query_key_norm": True, "keys": ["q", "k"]},
        "commit": "cf30153c4c131c8164ee7798e5022d810682e2cb",
        "max_tokens": [1, 2],
        "author": "Ada",
        "pass_through": 1,
    }
    assert mask_values(config) == config
