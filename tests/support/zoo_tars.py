"""The zoo of tars: which records each gives, and what must be said about the rest."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from graph200k.record import MAX_KEY_LENGTH
from support.ingesting import picture

Member = tuple[str, bytes]


@dataclass(frozen=True)
class Tar:
    """A tar, the keys it must give, and (end of the failure's key, class, words in the message) of what is refused."""

    name: str
    build: Callable[[Path], None]
    keys: tuple[str, ...] = ()
    failures: tuple[tuple[str, str, str], ...] = ()


def jpeg(seed: int = 0, **size: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(seed, **size)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def tar_bytes(members: list[Member | tarfile.TarInfo], form: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def _tar(*members: Member | tarfile.TarInfo, form: int = tarfile.USTAR_FORMAT) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(tar_bytes(list(members), form)) and None


def _special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def _raw(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def _with_size(key: str, size: int) -> bytes:
    """A tar of one whole record and then a header that claims this size."""
    whole = tar_bytes([(f"{key}.jpg", jpeg(size % 1000))]).rstrip(b"\0")
    whole += b"\0" * (-len(whole) % 512)
    info = tarfile.TarInfo("b.jpg")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (
        b"\x80" + size.to_bytes(11, "big") if size >= 0 else b"\xff" * 4 + size.to_bytes(8, "big", signed=True)
    )
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return whole + bytes(header) + b"\0" * 2048


def _latin1() -> bytes:
    info = tarfile.TarInfo("o1é.jpg")
    data = jpeg(19)
    info.size = len(data)
    return info.tobuf(tarfile.USTAR_FORMAT, "latin-1") + data + b"\0" * (-len(data) % 512 + 1024)


def _pax_chain(count: int) -> bytes:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 0
    return info.tobuf(tarfile.USTAR_FORMAT) * count + tar_bytes([("a.jpg", jpeg(42))])


def _sparse() -> bytes:
    info = tarfile.TarInfo("s.jpg")
    info.type = tarfile.GNUTYPE_SPARSE
    return info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024


DEEP_JSON = b"[" * 100_000 + b"]" * 100_000
LINES = np.zeros((48, 64, 3), np.uint8)
LINES[10:12] = 255

TARS = [
    Tar("plain.tar", _tar(("p1.jpg", jpeg(1)), ("p1.txt", b"One."), ("p2.jpeg", jpeg(2))), ("p1", "p2")),
    Tar("dot-slash.tar", _tar(("./d1.jpg", jpeg(3))), ("d1",)),
    Tar("dotdot.tar", _tar(("../e1.jpg", jpeg(4)), ("e2.jpg", jpeg(5))), ("e2",),
        (("(member 0)", "unsafe_input", "'..' are refused"),)),
    Tar("absolute.tar", _tar(("/etc/f1.jpg", jpeg(6))), (), (("(member 0)", "unsafe_input", "absolute names"),)),
    Tar("symlink.tar", _tar(_special("g1.jpg", tarfile.SYMTYPE, "/etc/passwd"), ("g2.jpg", jpeg(7))), ("g2",),
        (("(member 0)", "unsafe_input", "links, devices"),)),
    Tar("hardlink.tar", _tar(("h1.jpg", jpeg(8)), _special("h2.jpg", tarfile.LNKTYPE, "h1.jpg")), ("h1",),
        (("(member 1)", "unsafe_input", "links, devices"),)),
    Tar("devices.tar", _tar(_special("i1.jpg", tarfile.CHRTYPE), _special("i2.jpg", tarfile.BLKTYPE),
                            _special("i3.jpg", tarfile.FIFOTYPE)), (),
        tuple((f"(member {number})", "unsafe_input", "links, devices") for number in range(3))),
    Tar("folders.tar", _tar(_special("j.jpg", tarfile.DIRTYPE), ("j.jpg/j1.jpg", jpeg(9))), ("j-jpg-j1-",)),
    Tar("duplicates.tar", _tar(("k1.jpg", jpeg(10)), ("k1.jpg", jpeg(11)), ("k2.jpg", jpeg(12))), ("k2",),
        (("/k1", "bad_record", "stands twice"),)),
    Tar("non-adjacent.tar", _tar(("l1.jpg", jpeg(13)), ("l2.jpg", jpeg(14)), ("l1.txt", b"Late.")), ("l1", "l2"),
        (("/l1 (member 2)", "bad_record", "must be adjacent"),)),
    Tar("dots.tar", _tar(("m.1.jpg", jpeg(15)), ("m.2.jpg", jpeg(16))), (),
        (("/m", "bad_record", "unknown images 1.jpg, 2.jpg"),)),
    Tar("lone-dotted.tar", _tar(("n1.image.jpg", jpeg(17)), ("n1.image.txt", b"Lone.")), ("n1",)),
    Tar("unicode.tar", _tar(("猫 ü.jpg", jpeg(18)), form=tarfile.PAX_FORMAT), ("record-",)),
    Tar("latin1.tar", _raw(_latin1()), ("o1-",)),
    Tar("folder-keys.tar", _tar(("train/0001.jpg", jpeg(20)), ("val/0001.jpg", jpeg(21))),
        ("train-0001-", "val-0001-")),
    Tar("long-names.tar", _tar((f"{'q' * 200}.jpg", jpeg(22)), form=tarfile.GNU_FORMAT),
        ("q" * (MAX_KEY_LENGTH - 9) + "-",)),
    Tar("pickles.tar", _tar(("r1.jpg", jpeg(23)), ("r1.pkl", b"cos\nsystem\n"), ("r1.pth", b"PK")), ("r1",),
        (("/r1 (.pkl)", "unsafe_input", "pickled"), ("/r1 (.pth)", "unsafe_input", "pickled"))),
    Tar("only-pickle.tar", _tar(("s1.pyd", b"cos\nsystem\n")), (), (("/s1", "bad_record", "no target image"),)),
    Tar("deep-json.tar", _tar(("t1.jpg", jpeg(24)), ("t1.json", DEEP_JSON)), ("t1",),
        (("/t1 (.json)", "unsafe_input", "nested too deeply"),)),
    Tar("list-json.tar", _tar(("t2.jpg", jpeg(25)), ("t2.json", b"[1]")), ("t2",),
        (("/t2 (.json)", "unsafe_input", "JSON holds a list"),)),
    Tar("truncated.tar", _raw(tar_bytes([("u1.jpg", jpeg(26)), ("u2.jpg", jpeg(27))])[:3000]), ("u1",),
        (("(member 1)", "unsafe_input", "ends in the middle"),)),
    Tar("huge-size.tar", _raw(_with_size("a1", 2**40)), ("a1",), (("(member 1)", "unsafe_input", "the limit is"),)),
    Tar("absurd-size.tar", _raw(_with_size("a2", 2**80)), ("a2",), (("(member 1)", "unsafe_input", "the limit is"),)),
    Tar("negative-size.tar", _raw(_with_size("a3", -1024)), ("a3",),
        (("(member 1)", "unsafe_input", "negative size"),)),
    Tar("sparse.tar", _raw(_sparse()), (), (("(member 0)", "unsafe_input", "sparse files"),)),
    Tar("pax-chain.tar", _raw(_pax_chain(5000)), (), (("(member 0)", "unsafe_input", "damaged tar"),)),
    Tar("garbage.tar", _raw(bytes(range(256)) * 40), (), (("(member 0)", "unsafe_input", "damaged tar"),)),
    Tar("empty-file.tar", _raw(b""), (), (("(member 0)", "unsafe_input", "damaged tar"),)),
    Tar("no-members.tar", _tar()),
    Tar("compressed.tar.gz", _raw(gzip.compress(tar_bytes([("v1.jpg", jpeg(28))]))), (),
        (("compressed.tar.gz", "unreadable", "decompress it first"),)),
    Tar("no-image.tar", _tar(("w1.txt", b"Words."), ("w1.cls", b"3")), (), (("/w1", "bad_record", "no image at all"),)),
    Tar("text-as-image.tar", _tar(("x1.jpg", b"Words." * 30)), (), (("/x1", "bad_image", "not an image"),)),
    Tar("zero-bytes.tar", _tar(("x2.jpg", b"")), (), (("/x2", "bad_image", "0 bytes"),)),
    Tar("annotated.tar", _tar(("y1.target.jpg", jpeg(29)), ("y1.canny.png", png(LINES)),
                              ("y1.foreground_mask.png", png(LINES)), ("y1.fill_edit.2.jpg", jpeg(30)),
                              ("y1.instant_style.0.image.jpg", jpeg(31)),
                              ("y1.instant_style.0.reference.jpg", jpeg(32, height=40, width=40))), ("y1",)),
    Tar("misnamed.tar", _tar(("z1.jpg", jpeg(33)), ("z1.depht.png", png(LINES)), ("z1.fill_edit.jpg", jpeg(34)),
                             ("z1.background.png", png(LINES)), ("z1.canny.3.png", png(LINES)),
                             ("z1.redux_style.0.jpg", jpeg(35))), ("z1",),
        (("/z1 (depht.png)", "unknown_name", "did you mean depth"), ("(fill_edit.jpg)", "unknown_name", "fill_edit.0"),
         ("(background.png)", "unknown_name", "derived from foreground"), ("(canny.3.png)", "unknown_name", "drop"),
         ("(redux_style.0.jpg)", "unknown_name", "expected redux_style.0.reference or redux_style.0.image"))),
    Tar("other-size.tar", _tar(("z2.jpg", jpeg(36)), ("z2.hed.png", png(LINES[:40]))), ("z2",),
        (("/z2 (hed.png)", "size_mismatch", "64×40 px; expected the target's 64×48"),)),
    Tar("bad-annotation.tar", _tar(("z3.jpg", jpeg(37)), ("z3.hed.png", b"no")), ("z3",),
        (("/z3 (hed.png)", "bad_image", "not an image"),)),
    Tar("twice-annotated.tar", _tar(("z4.jpg", jpeg(38)), ("z4.hed.png", png(LINES)), ("z4.hed.jpg", jpeg(39))),
        ("z4",),
        (("/z4 (hed.png)", "bad_record", "second file for the same annotation"),)),
    Tar("apple.tar", _tar(("._z5.jpg", b"Mac OS X"), ("z5.jpg", jpeg(40))), ("z5",)),
]  # fmt: skip
