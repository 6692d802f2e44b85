"""Where the shared corpus lies, if it lies beside the project at all; tests over it are marked `corpus` and skip without it."""

import os
from pathlib import Path

import pytest

CORPUS = Path(os.environ.get("CROSSDOCK_CORPUS", Path(__file__).parent.parent.parent / "shared" / "corpus"))


def corpus_files(*folders: str) -> list[Path]:
    """All files below these folders of the corpus, sorted; skips the calling test, with the reason, where there is no corpus."""
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus at {CORPUS}; set CROSSDOCK_CORPUS to its folder")
    return sorted(path for folder in folders for path in (CORPUS / folder).rglob("*") if path.is_file())
