"""The pages of the shipped sets say what ships."""

from partners.guides import shipped_guides
from partners.mappings import shipped
from tests.set_pages import ABOUT, FILES, FOLDER, pages


def test_every_page_is_what_ships():
    made = pages()
    stale = [name for name, text in made.items() if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text]
    assert stale == [], "run `python -m tests.set_pages` and read the difference"
    assert {path.name for path in FOLDER.glob("*.md")} == made.keys()


def test_every_set_and_file_is_described():
    assert set(ABOUT) == set(shipped_guides().sets())
    assert set(FILES) == {name for name in shipped().names() if not name.startswith("x12/")}
