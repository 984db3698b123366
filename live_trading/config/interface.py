"""The settings of the HTTP interface."""

from pydantic import SecretStr

from live_trading.config.section import Section, setting


class ApiSettings(Section):
    """The HTTP interface: REST, WebSocket and the web pages."""

    host: str = setting(
        "127.0.0.1", "Address it listens on; 0.0.0.0 opens it to the network", env="API_HOST", min_length=1
    )
    port: int = setting(
        8000, "Port it listens on; 0 takes any free one, and says which", env="API_PORT", ge=0, le=65_535
    )
    in_run: bool = setting(True, "Whether live-trading run serves it too; false leaves it to a process of its own")
    secret_key: SecretStr | None = setting(
        None, "Signs log-in tokens; null makes one in data_dir, which only a PAPER account accepts", env="SECRET_KEY",
        min_length=32,
    )  # fmt: skip
    tls_in_front: bool = setting(
        False, "A proxy in front speaks TLS: requests that did not come through it encrypted are refused", env="API_TLS"
    )
    confirm_live: bool = setting(
        False, "Said on purpose: this interface may give orders to a LIVE account", env="API_CONFIRM_LIVE"
    )
    access_token_minutes: float = setting(15.0, "How long a log-in token is good for", unit="minutes", gt=0, le=1440)
    refresh_token_days: float = setting(30.0, "How long a log-in lasts that is not used", unit="days", gt=0, le=366)
    requests_per_minute: int = setting(
        3_000, "Requests of one user, or of one address without a log-in", unit="requests a minute", ge=1, le=10_000_000
    )
    commands_per_minute: int = setting(
        600, "Requests of one user that change something", unit="requests a minute", ge=1, le=10_000_000
    )
    logins_per_minute: int = setting(
        10, "Log-ins tried from one address, or under one name", unit="requests a minute", ge=1, le=1_000_000
    )
    lock_after_failures: int = setting(
        5, "Wrong passwords in a row that lock a name: a minute first, twice as long each time", unit="log-ins",
        ge=1, le=1000,
    )  # fmt: skip
    answer_seconds: float = setting(
        10.0, "How long a command waits for the engine before 202 is answered", unit="seconds", ge=0, le=60
    )
    max_sockets: int = setting(2_000, "WebSockets open at once", unit="connections", ge=1, le=100_000)
    socket_backlog: int = setting(
        1_000, "Messages a WebSocket may be behind before it is dropped", unit="messages", ge=10, le=100_000
    )
