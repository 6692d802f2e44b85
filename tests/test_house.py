"""The house rules (ARCHITECTURE.md, "The laws"), held by reading the imports. A failure names file and import."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOUSES = ("gateway", "partners", "translators")
BELOW = {"gateway": set(HOUSES), "partners": {"partners", "translators"}, "translators": {"translators"}}
WORLD = {
    "asyncio", "socket", "aiohttp", "paramiko", "sqlalchemy", "logging", "random", "uuid", "os", "pathlib", "io", "time", "subprocess",
    "importlib", "secrets", "tempfile", "threading", "multiprocessing", "yaml", "shutil", "structlog", "zoneinfo",
}  # fmt: skip
OWNERS = {
    "sqlalchemy": ("gateway/store/",),
    "alembic": ("gateway/store/",),
    "psycopg": ("gateway/store/",),
    "pysqlite3": ("gateway/store/",),
    "cryptography": ("translators/as2/cms/", "gateway/keys"),
    "lxml": ("translators/xml/",),
    "paramiko": ("gateway/doors/sftp", "gateway/transports/sftp"),
    "argon2": ("gateway/passwords.py",),
    "yaml": ("partners/positioned.py",),
    "nats": ("gateway/targets/nats",),
    "structlog": ("gateway/journal.py",),
    "opentelemetry": ("gateway/traces.py",),
    "obstore": ("gateway/store/bucket.py",),
}
STAGES = ("receive", "translate", "deliver", "compose", "reconcile", "replay")
CALLS_OUT = {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"}


def files(*houses: str) -> list[Path]:
    return sorted(path for house in houses for path in (ROOT / house).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.level:
                package = path.relative_to(ROOT).parts[: -node.level]
                yield ".".join([*package, node.module])
            else:
                yield node.module


def test_imports_run_down():
    wrong = [
        (name_of(path), name)
        for house in HOUSES
        for path in files(house)
        for name in imports_of(path)
        if name.split(".")[0] in HOUSES and name.split(".")[0] not in BELOW[house]
    ]
    assert not wrong


def test_translators_are_pure():
    wrong = [(name_of(path), name) for path in files("translators") for name in imports_of(path) if name.split(".")[0] in WORLD]
    assert not wrong


def test_translators_call_nothing_of_the_world():
    wrong = []
    for path in files("translators"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id in CALLS_OUT:
                    wrong.append((name_of(path), node.lineno, node.func.id))
                if isinstance(node.func, ast.Attribute) and node.func.attr in {"now", "utcnow", "today"}:
                    wrong.append((name_of(path), node.lineno, node.func.attr))
    assert not wrong


def test_async_lives_in_the_gateway():
    wrong = [
        (name_of(path), node.name)
        for path in files("translators", "partners")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
    ]
    assert not wrong


def test_stages_do_not_import_each_other():
    def stage(name: str) -> str | None:
        parts = name.split(".")
        return parts[1] if len(parts) > 1 and parts[0] == "gateway" and parts[1] in STAGES else None

    wrong = [
        (name_of(path), name)
        for path in files("gateway")
        for name in imports_of(path)
        if (mine := stage(".".join(path.relative_to(ROOT).with_suffix("").parts))) and (other := stage(name)) and mine != other
    ]
    assert not wrong


def test_each_library_has_one_owner():
    wrong = [
        (name_of(path), name)
        for path in files(*HOUSES)
        for name in imports_of(path)
        if (owner := OWNERS.get(name.split(".")[0])) and not name_of(path).startswith(owner)
    ]
    assert not wrong


def test_nothing_received_is_ever_executed():
    """No pickle, marshal or shelve, and no yaml outside the one reader that keeps places."""
    wrong = [
        (name_of(path), name) for path in files(*HOUSES) for name in imports_of(path) if name.split(".")[0] in {"pickle", "marshal", "shelve", "dill"}
    ]
    assert not wrong
