"""Which encoding a file is in: a wrong guess garbles training text without any error."""

import codecs

import pytest

from shared.errors import DataError
from worker.data.encodings import decode, detect

CYRILLIC = "Это предложение написано по-русски, чтобы проверить определение кодировки. " * 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_decode_unicode_with_and_without_mark_gives_text_without_mark(encoding: str) -> None:
    """A mark that stays in the text becomes part of the first column's name, which is then "missing"."""
    assert decode("text,label\nnaïve 😀,a\n".encode(encoding), "f.csv")[0] == "text,label\nnaïve 😀,a\n"


def test_decode_big_endian_mark_gives_text() -> None:
    """Some spreadsheets save UTF-16 in the other byte order."""
    content = codecs.BOM_UTF16_BE + "text\nhello\n".encode("utf-16-be")
    assert decode(content, "f.csv")[0] == "text\nhello\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_detect_utf16_without_mark_sees_zero_bytes(encoding: str) -> None:
    """ASCII in UTF-16 is valid UTF-8 with zero bytes in it, so it must be ruled out first."""
    assert detect("text,label\nhello,a\n".encode(encoding)) == encoding


def test_detect_single_superscript_in_header_is_latin_1() -> None:
    """The Kaggle sentiment file is ASCII but for a 0xB2 in its header: too little for statistics."""
    content = "text,sentiment,Land Area (Km²)\n".encode("latin-1") + b"plain text,neutral,1\n" * 500
    text, encoding = decode(content, "train.csv")
    assert encoding == "latin-1"
    assert "(Km²)" in text


def test_detect_windows_quotes_is_cp1252() -> None:
    """Curly quotes are control characters in latin-1; nobody means those."""
    text, encoding = decode("text\nit’s “fine”\n".encode("cp1252"), "f.csv")
    assert (encoding, text) == ("cp1252", "text\nit’s “fine”\n")


def test_decode_cyrillic_code_page_uses_statistics() -> None:
    """Where most letters are beyond ASCII, latin-1 would turn the whole file into accents."""
    assert decode(CYRILLIC.encode("cp1251"), "f.csv")[0] == CYRILLIC


def test_decode_named_utf8_with_mark_drops_mark() -> None:
    """A person who says utf-8 does not think of the mark that a spreadsheet added."""
    assert decode("text\n".encode("utf-8-sig"), "f.csv", "utf-8")[0] == "text\n"


def test_decode_wrong_named_encoding_names_line_and_byte() -> None:
    """The person must find the place in the file."""
    with pytest.raises(DataError, match=r"f\.csv, line 3: byte 0xe9 at offset 10 is not utf-8"):
        decode(b"text\nokay\n\xe9t\xe9\n", "f.csv", "utf-8")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00", "auto"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xd8\x00\x00\xdc", "auto"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00", "latin-1"),
        (b"\x1f\x8b\x08\x08tweets.csv\x01\x02", "auto"),
        (b"text,label\nfine,a\nno\x00ne,b\n", "utf-8"),
        (b"\xff\xfet", "auto"),
    ],
)
def test_decode_binary_content_is_not_text(content: bytes, encoding: str) -> None:
    """Read as UTF-16, a picture has no column `text`, which sends the person after the wrong fault."""
    with pytest.raises(DataError, match=r"f\.csv: is not text: ") as caught:
        decode(content, "f.csv", encoding)
    assert str(caught.value).isprintable()


def test_decode_control_character_names_its_line() -> None:
    """One stray character in a good file must be found by the person who has to remove it."""
    with pytest.raises(DataError, match=r"line 3 holds the control character U\+0008"):
        decode("text,label\nfine,a\nba\bd,b\n".encode("utf-16"), "f.csv")


def test_decode_tabs_page_breaks_and_c1_are_text() -> None:
    """Tweets hold UTF-8 that was taken for latin-1 once, and old exports page breaks."""
    text = "text\tlabel\r\na\x0bb\x0cc\x81\x9d\ta\r\n"
    assert decode(text.encode(), "f.tsv") == (text, "utf-8")
