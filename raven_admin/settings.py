"""Settings, read from the environment, from `.env`, or from files named by `*_FILE` variables.

Every variable is listed in `.env.example` and described in `docs/configuration.md`; a test compares the three.
"""

import sys
import warnings
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from environ.fileaware_mapping import FileAwareMapping


class _Files(FileAwareMapping):  # type: ignore[misc]
    """A variable's value, from the file that its `*_FILE` names if any, without the line end that editors put there."""

    def __getitem__(self, name: str) -> str:
        value: str = super().__getitem__(name)
        return value.rstrip("\r\n")


class _Env(environ.FileAwareEnv):  # type: ignore[misc]
    ENVIRON = _Files()


BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = "pytest" in sys.modules
env = _Env()
if not TESTING:
    env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)


def _secret(name: str, insecure_default: str) -> str:
    """A secret from the environment; its default serves DEBUG and tests only."""
    value: str = env.str(name, default="")
    if value and value != insecure_default:
        return value
    if DEBUG or TESTING:
        return insecure_default
    raise ImproperlyConfigured(
        f"{name} is not set. Set it (or {name}_FILE) to a random value; `make run` writes one to .env, "
        f"and docs/configuration.md shows a command that prints one."
    )


SECRET_KEY = _secret("SECRET_KEY", "insecure-secret-key-for-debug-and-tests-only-000000000000")

# Numbered peppers of the token digests, "1:…,2:…": the highest number makes new digests, all verify old ones.
try:
    TOKEN_PEPPERS: dict[int, str] = {
        int(number): pepper
        for number, _colon, pepper in (
            item.strip().partition(":")
            for item in _secret("TOKEN_PEPPERS", "1:insecure-pepper-for-debug-and-tests-only").split(",")
        )
        if len(pepper) >= 32
    }
except ValueError:
    TOKEN_PEPPERS = {}
if not TOKEN_PEPPERS:
    raise ImproperlyConfigured("TOKEN_PEPPERS must look like `1:<32 or more random characters>,2:<…>`.")

# Keys that credentials of connections are encrypted with: the first encrypts, all decrypt.
ENCRYPTION_KEYS: list[str] = [
    key for item in _secret("ENCRYPTION_KEYS", "insecure-encryption-key-for-debug-and-tests-only").split(",")
    if len(key := item.strip()) >= 32
]  # fmt: skip
if not ENCRYPTION_KEYS:
    raise ImproperlyConfigured("ENCRYPTION_KEYS must be keys of 32 or more random characters, with commas between.")

# Where `make run` listens.
BIND_ADDRESS: str = env.str("BIND_ADDRESS", default="127.0.0.1")
PORT: int = env.int("PORT", default=8000)
# Where people and programs reach this server; https makes cookies secure and turns on HSTS.
BASE_URL: str = env.str("BASE_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
_base = urlsplit(BASE_URL)
if _base.scheme not in {"http", "https"} or not _base.hostname:
    raise ImproperlyConfigured(f"BASE_URL must look like https://raven.example.org, not {BASE_URL!r}.")
HTTPS = _base.scheme == "https"
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=sorted({_base.hostname, "127.0.0.1", "localhost"}))
_is_on_this_machine = _base.hostname in {"127.0.0.1", "::1", "localhost"}
# Where connections may go although it is a private address or plain http: exact, as 10.0.0.5:3000.
ALLOWED_PRIVATE_ADDRESSES: list[str] = env.list(
    "ALLOWED_PRIVATE_ADDRESSES", default=[_base.netloc] if _is_on_this_machine else []
)
CSRF_TRUSTED_ORIGINS = [f"{_base.scheme}://{_base.netloc}"]
# How many reverse proxies of yours stand in front and append to X-Forwarded-For; 0 trusts no header.
TRUSTED_PROXY_COUNT: int = env.int("TRUSTED_PROXY_COUNT", default=0)

INSTALLED_APPS = [
    "raven_admin.apps.ConsoleConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "rest_framework",
    "django_tasks",
    "django_tasks_db",
    "accounts",
    "tokens",
    "personas",
    "messaging",
    "delivery",
    "platforms",
]

MIDDLEWARE = [
    # First: calls of programs go straight to the gateway. All that follows serves people and their browsers.
    "platforms.middleware.GatewayMiddleware",
    "raven_admin.middleware.WatchingMiddleware",
    "raven_admin.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.middleware.ViewerMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "raven_admin.urls"
WSGI_APPLICATION = "raven_admin.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# ---------------------------------------- database
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library would print the password of an address that it does not know
    DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'raven.sqlite3'}")}
_database = DATABASES["default"]
if _database.get("ENGINE") not in {"django.db.backends.sqlite3", "django.db.backends.postgresql"}:
    raise ImproperlyConfigured("DATABASE_URL must look like postgres://user:password@host:5432/name.")
_database["CONN_MAX_AGE"] = 600
if _database["ENGINE"] == "django.db.backends.sqlite3":
    Path(_database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    _database["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN, so that two writers queue instead of failing in mid-transaction.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # Changes gather up to 64 MB before they are moved into the file, because moving them waits for the disk.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;"
        " PRAGMA wal_autocheckpoint=16000; PRAGMA temp_store=MEMORY;",
    }
else:
    _database["CONN_HEALTH_CHECKS"] = True
    # A server that is away is noticed before whoever asks for /health/ready gives up.
    _database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
    # Of the gateway's own SQL (raven_admin/statements.py); what the ORM composes is planned every time.
    _database.setdefault("OPTIONS", {}).setdefault("prepare_threshold", 2)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# ---------------------------------------- accounts
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
# Two locks: one address may not try many passwords of one account, and no set of addresses may try many of one account.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "username"]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "accounts.signin.locked_out"
AXES_USERNAME_CALLABLE = "tokens.log_format.attempted_username"
AXES_CLIENT_IP_CALLABLE = "accounts.signin.client_address"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SECURE = HTTPS

# ---------------------------------------- security
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
# The console's largest form is a token's configuration; the gateway has its own limit for bodies.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# A person who was merged from many has six controls for each of their contacts.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000

# ---------------------------------------- language, time, files
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("id", _("Indonesian"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "__Host-language" if HTTPS else "language"
LANGUAGE_COOKIE_SECURE = HTTPS
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or TESTING
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG or TESTING
EMAIL_CONFIG = env.email("EMAIL_URL", default=f"filemail://{BASE_DIR / 'var' / 'mail'}")
if _folder := EMAIL_CONFIG.get("EMAIL_FILE_PATH"):
    # environ takes the path's own slash for the address's, and the folder would depend on where one stands.
    EMAIL_CONFIG["EMAIL_FILE_PATH"] = f"/{_folder.lstrip('/')}"
vars().update(EMAIL_CONFIG)
# Whom the server's own mails, such as notices about tokens, come from.
MAIL_FROM: str = env.str("MAIL_FROM", default=f"Raven Admin <raven@{_base.hostname}>")
if "@" not in parseaddr(MAIL_FROM)[1] or "\n" in MAIL_FROM:
    raise ImproperlyConfigured(f"MAIL_FROM must look like Raven <raven@example.org>, not {MAIL_FROM!r}.")

# ---------------------------------------- tokens and gateway
# Requests a minute of a token whose configuration names no rate, and refused calls a minute of one address.
DEFAULT_REQUESTS_PER_MINUTE: int = env.int("DEFAULT_REQUESTS_PER_MINUTE", default=600)
REQUEST_LOG_DAYS: int = env.int("REQUEST_LOG_DAYS", default=90)
DAILY_FIGURES_DAYS: int = max(91, env.int("DAILY_FIGURES_DAYS", default=400))
"""The charts show 90 days."""
MAX_BODY_BYTES = 256 * 1024

# ---------------------------------------- background work
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
# How many destinations, and calls of one destination, a worker sends to at a time.
OUTBOX_THREADS: int = env.int("OUTBOX_THREADS", default=16)
# How long is kept what was delivered, superseded or cancelled.
DELIVERY_DAYS: int = env.int("DELIVERY_DAYS", default=90)
# A worker that has said nothing for so long is gone, and another takes over what it was sending.
OUTBOX_LEASE = timedelta(seconds=60)
# The oldest undelivered change may be this old before the monitor is no longer green.
OUTBOX_AGE_LIMIT = timedelta(minutes=env.int("OUTBOX_AGE_LIMIT_MINUTES", default=5))
# How long a callback may fail without a single success before it is switched off; warnings come at 50, 75 and 100 %.
CALLBACK_BUDGET_HOURS: int = max(1, env.int("CALLBACK_BUDGET_HOURS", default=72))
# What the worker starts by itself, and how often.
SCHEDULED_TASKS = {
    "accounts.tasks.clear_sessions": timedelta(days=1),
    "tokens.tasks.roll_up_usage": timedelta(minutes=1),
    "tokens.tasks.prune": timedelta(hours=1),
    "delivery.tasks.prune_finished_tasks": timedelta(hours=6),
    "delivery.tasks.prune_attempts": timedelta(hours=1),
    "delivery.tasks.prune_deliveries": timedelta(hours=1),
    "delivery.tasks.compact_books": timedelta(minutes=5),
    "delivery.tasks.continue_interventions": timedelta(minutes=1),
    "personas.operations.wake_abandoned": timedelta(minutes=1),
    "personas.tasks.find_duplicates": timedelta(minutes=1),
    "personas.tasks.erase_old_copies": timedelta(hours=1),
    "personas.operations.prune_operations": timedelta(hours=6),
    "messaging.tasks.prune_messages": timedelta(days=1),
    "platforms.tasks.follow_left_calls": timedelta(minutes=1),
    "platforms.tasks.prune_received": timedelta(days=1),
    "platforms.checking.check_links": timedelta(minutes=1),
    "platforms.callbacks.budget.watch_budgets": timedelta(minutes=1),
    "tokens.expiry.tell_of_expirations": timedelta(minutes=1),
}

# ---------------------------------------- demo
DEMO_ADMIN_USERNAME: str = env.str("DEMO_ADMIN_USERNAME", default="admin")
DEMO_ADMIN_PASSWORD: str = env.str("DEMO_ADMIN_PASSWORD", default="")

# ---------------------------------------- watching it
# What a monitoring system shows to read /metrics; without it there is no such page.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
if METRICS_TOKEN and len(METRICS_TOKEN) < 20:
    raise ImproperlyConfigured("METRICS_TOKEN must be 20 or more random characters.")
LOG_FORMAT: str = env.str("LOG_FORMAT", default="line")
if LOG_FORMAT not in {"line", "json"}:
    raise ImproperlyConfigured(f"LOG_FORMAT must be line or json, not {LOG_FORMAT!r}.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "tokens.log_format.LineFormatter"},
        "json": {"()": "tokens.log_format.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # Refused calls have a log of their own, which says more.
        "django.request": {"level": "ERROR"},
        "axes": {"level": "WARNING"},
        "django_tasks": {"level": "WARNING"},
    },
}
