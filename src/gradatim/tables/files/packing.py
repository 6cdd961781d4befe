"""Files packed by gzip, bzip2, xz, zstd or zip, and their plain copies.

pyarrow reads text from gzip as it unpacks it. What is packed otherwise, and every text
that has to be rewritten before it can be read, becomes a plain copy first: a file
without a name in the system's temporary folder, which is gone when the process ends,
however it ends.
"""

import bz2
import lzma
import mmap
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.expansion import check_expansion, most_bytes
from gradatim.text import listed

__all__ = [
    "PACKED_SUFFIXES",
    "PIECE_BYTES",
    "UNPACKING_ERRORS",
    "damaged_packing",
    "inner_name",
    "packed_suffix",
    "plain_copy",
    "unpacked",
]

PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""How the names of packed files end."""
PIECE_BYTES = 1 << 20
"""What is unpacked at once."""
XZ_MEMORY_BYTES = 1 << 28
"""What unpacking xz may take of memory; `xz -9` needs 65 MiB. Chosen by hand."""
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
"""How files in an archive may be packed; other ways may ask for any memory."""
ENCRYPTED = 1
"""The flag of a file in an archive that needs a password."""

UNPACKING_ERRORS = (
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException),
)
"""What the unpackers raise of damaged files."""


def packed_suffix(name: str) -> str:
    """Give the suffix that says how a file is packed, or an empty text.

    >>> packed_suffix("houses.CSV.GZ"), packed_suffix("houses.csv")
    ('.gz', '')
    """
    lower = name.lower()
    return next((suffix for suffix in PACKED_SUFFIXES if lower.endswith(suffix)), "")


def inner_name(path: Path) -> str:
    """Give the name of a file as it is when unpacked, in lower case.

    That of an archive is the name of the one file in it.
    """
    name, suffix = path.name.lower(), packed_suffix(path.name)
    if suffix == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                return PurePosixPath(_only_file(path, archive).filename.lower()).name
        except FileReadError:
            raise
        except UNPACKING_ERRORS as error:
            raise damaged_packing(path, error) from error
    return name.removesuffix(suffix)


def unpacked(path: Path) -> Iterator[bytes]:
    """Give the bytes of a packed file piece by piece, but for gzip.

    Raises:
        FileReadError: The file is damaged, or unpacks to more than is allowed.
    """
    pieces = {".bz2": _of_bzip2, ".xz": _of_xz, ".zst": _of_zstd, ".zip": _of_zip}
    num_bytes, most = 0, most_bytes(path)
    try:
        for piece in pieces[packed_suffix(path.name)](path):
            num_bytes += len(piece)
            check_expansion(path, num_bytes, most)
            yield piece
    except FileReadError:
        raise
    except UNPACKING_ERRORS as error:
        raise damaged_packing(path, error) from error


def damaged_packing(path: Path, error: Exception) -> FileReadError:
    """Make the error of a packed file that cannot be unpacked."""
    why = str(error) or type(error).__name__
    return FileReadError(
        f"{path} cannot be opened and unpacked: {why}.\n"
        "A part of it is missing or was changed after it was written.\n"
        "Write or copy the file again."
    )


def _of_bzip2(path: Path) -> Iterator[bytes]:
    with bz2.BZ2File(path) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _of_xz(path: Path) -> Iterator[bytes]:
    """Unpack xz with bounded memory: ``lzma.open`` takes what the file asks for."""
    with path.open("rb") as file:
        packed = file.read(PIECE_BYTES)
        while packed:
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY_BYTES)
            while not unpacker.eof:
                yield unpacker.decompress(packed, PIECE_BYTES)
                packed = b""
                if unpacker.needs_input and not unpacker.eof:
                    packed = file.read(PIECE_BYTES)
                    if not packed:
                        raise EOFError("it ends too early")
            # Streams may stand one behind the other, with zeros between them.
            packed = unpacker.unused_data.lstrip(b"\0") or file.read(PIECE_BYTES)


def _of_zstd(path: Path) -> Iterator[bytes]:
    with pa.CompressedInputStream(pa.OSFile(os.fsencode(path)), "zstd") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _of_zip(path: Path) -> Iterator[bytes]:
    with (
        zipfile.ZipFile(path) as archive,
        archive.open(_only_file(path, archive)) as file,
    ):
        while piece := file.read(PIECE_BYTES):
            yield piece


def _only_file(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Give the one file in an archive; macOS puts files of its own beside it."""
    infos = [
        info
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if len(infos) != 1:
        names = [info.filename for info in infos]
        raise FileReadError(
            f"{path} holds {len(infos)} files{': ' if names else ''}{listed(names)}.\n"
            "A table is read from an archive of one file.\n"
            "Unpack it, and name the file."
        )
    (info,) = infos
    if info.flag_bits & ENCRYPTED:
        raise FileReadError(
            f"{path}: {info.filename} in it needs a password.\n"
            "Nothing of it was read.\nUnpack it, and name the file."
        )
    if info.compress_type not in ZIP_METHODS:
        raise FileReadError(
            f"{path}: {info.filename} in it is packed by method {info.compress_type}.\n"
            "Archives are read that deflate or bzip2 has packed.\n"
            "Unpack it, and name the file."
        )
    return info


def plain_copy(path: Path, pieces: Iterable[bytes]) -> pa.Buffer:
    """Write bytes into a file without a name, and give them as a buffer.

    Args:
        path: The file they are of, for messages.
        pieces: The bytes.

    Raises:
        FileReadError: The temporary folder does not take them.
    """
    try:
        with tempfile.TemporaryFile() as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            if file.tell() == 0:
                return pa.py_buffer(b"")
            return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileReadError:
        raise
    except OSError as error:
        raise _no_room(path, error) from error


def _no_room(path: Path, error: OSError) -> FileReadError:
    return FileReadError(
        f"{path} needs a plain copy in {tempfile.gettempdir()}: {error}.\n"
        "It is packed, or has to be written otherwise before it can be read.\n"
        "Make room there, or name another folder in the variable TMPDIR."
    )
