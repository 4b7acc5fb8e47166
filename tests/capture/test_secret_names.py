"""Names that say that a secret follows, and those that only sound so."""

import pytest

from samebit.capture.secret_names import is_secret_file, is_secret_name

SECRET_NAMES = """
token TOKEN api_token apiToken access_token hf_token HF_TOKEN HUGGING_FACE_HUB_TOKEN GITHUB_TOKEN
GITLAB_PRIVATE_TOKEN hub_token use_auth_token AWS_SESSION_TOKEN refresh_token bot_token user_token
accesstoken githubtoken token_secret secret SECRET client_secret clientSecret secrets mysecret
DJANGO_SECRET_KEY aws_secret_access_key AWS_ACCESS_KEY_ID secretkey password PASSWORD db_password
dbpassword passwd passphrase pwd db_pwd DB_PASS smtp_pass credential credentials
GOOGLE_APPLICATION_CREDENTIALS api_key apikey apiKey APIKEY api-key OPENAI_API_KEY OPENAI_API_KEY_2
WANDB_API_KEY COMET_API_KEY wandb_key private_key privateKey ssh_key encryption_key AccountKey
auth http_auth basic_auth _auth auth_token oauth_token Authorization bearer_token jwt cookie
model.hub.token db.password trainer.logger.api_key
"""

OPEN_NAMES = """
tokenizer tokenizer_name tokens max_tokens num_tokens n_tokens token_dim pad_token eos_token
bos_token cls_token mask_token unk_token sep_token pad_token_id token_type_ids token_embedding
max_token_length tokens_per_batch per_token_loss token_dropout next_token image_token use_cls_token
image_token_index placeholder_token initializer_token add_special_tokens subtoken token_mixer
TOKENIZERS_PARALLELISM key keys keyboard key_dim key_padding_mask query_key sort_key public_key
primary_key metric_key image_key monkey turkey author authors authority auth_type auth_url
secret_santa secret_image secret_bits password_file SECRET_KEY_PATH api_key_env password_length
pass n_pass forward_pass bypass compass passes lr seed model PWD OLDPWD PATH SSH_AUTH_SOCK
monitor.key optimizer.lr secretary credence
"""


SECRET_FILES = r"""
.env a/.env .env.local .env.production prod.env .envrc server.pem a/id_rsa ~/.ssh/id_ed25519
deploy.key .netrc _netrc .pgpass credentials credentials.json .aws/credentials kaggle.json
service-account.json service_account_prod.json serviceAccountKey.json client_secret_1.json
cert.pfx cert.p12 a.jks a.keystore .npmrc .pypirc .htpasswd htpasswd .git-credentials
secrets.toml .streamlit/secrets.toml db-secrets.yaml .docker/config.json .kube/config
huggingface/token C:\Users\me\.ssh\id_rsa A/SECRETS.YML
"""

OPEN_FILES = """
.env.example .env.sample .env.template id_rsa.pub id_ed25519.pub secrets.py src/secrets.py
credentials.py src/credentials/__init__.py environment.yml env.py keys.py keyboard.json
tokenizer.json token.py config.json docker/config.json train.py special_tokens_map.json
a.env/train.py secret_santa.csv monkey.json
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", OPEN_NAMES.split())
def test_words_of_machine_learning_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("path", SECRET_FILES.split())
def test_files_named_like_secrets_are_known(path: str) -> None:
    assert is_secret_file(path)


@pytest.mark.parametrize("path", OPEN_FILES.split())
def test_ordinary_files_are_not_left_out(path: str) -> None:
    assert not is_secret_file(path)
