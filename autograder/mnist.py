"""All 70,000 digits of MNIST, fetched once from OpenML and kept beside scikit-learn's data sets."""

from __future__ import annotations

import http.client
import os
import tempfile
import urllib.request
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np

from autograder.i18n import _

Array = np.ndarray

OPENML_ID = 554
# Sizes in bytes, for a server that does not tell them: as text, and packed.
TEXT_BYTES, PACKED_BYTES = 128_000_000, 15_000_000
# A server that says nothing for so long is taken for gone. urllib alone would wait for ever.
PATIENCE_SECONDS = 30.0
STEPS = 20

DAMAGED = (
    *(ValueError, KeyError, TypeError, EOFError, zlib.error, http.client.HTTPException),
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError),
)


def mnist(data_home: str | os.PathLike[str] | None = None) -> tuple[Array, Array]:
    """The 70,000 handwritten digits of MNIST, 28 by 28 pixels each; the last 10,000 are for tests.

    The first call fetches them from openml.org, up to 128 MB, and needs about half a minute and
    1.3 GB of memory to unpack them; what it keeps is 12 MB, and later calls need no network. X
    takes 440 MB of memory.

    Parameters
    ----------
    data_home : folder to keep them in; None is scikit-learn's, `~/scikit_learn_data` unless the
        environment variable `SCIKIT_LEARN_DATA` names another one

    Returns
    -------
    X : array of shape (70000, 784), a digit a row, from 0 (paper) to 1 (ink)
    y : array of shape (70000,), whole numbers from 0 to 9

    Raises
    ------
    ConnectionError : where they cannot be fetched, with the reason and what to do

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits; OpenML data set 554.
    """
    # Here, so that a notebook without digits does not pay for it.
    from sklearn.datasets import get_data_home

    file = Path(get_data_home(data_home)) / "mnist.npz"
    kept = _read(file)
    if kept is None:
        print(
            _(
                "MNIST is fetched from openml.org: 70,000 digits, up to 128 MB, then half a minute "
                "to unpack them. It is kept in {file} (12 MB): the next call needs no network."
            ).format(file=file)
        )
        kept = _fetch(file.parent)
        _keep(file, *kept)
    X, y = kept
    return X / 255, y.astype(int)


def _read(file: Path) -> tuple[Array, Array] | None:
    """What was kept, as whole numbers; None where nothing was, or it is no longer what it was."""
    if not file.exists():
        return None
    try:
        # Zip files hold checksums, which are compared as they are read.
        with zipfile.ZipFile(file) as archive:
            arrays = []
            for name in ("X.npy", "y.npy"):
                with archive.open(name) as member:
                    arrays.append(np.lib.format.read_array(member, allow_pickle=False))
        return _checked(*arrays)
    except (OSError, *DAMAGED):
        print(_("{file} is damaged, and is fetched anew.").format(file=file))
        return None


def _keep(file: Path, X: Array, y: Array) -> None:
    """All or nothing: half a file is never found under that name."""
    handle, half = tempfile.mkstemp(dir=file.parent, prefix=f"{file.stem}-")
    try:
        with os.fdopen(handle, "wb") as out:
            np.savez_compressed(out, X=X, y=y)
        os.replace(half, file)
    except BaseException:
        os.unlink(half)
        raise


def _checked(X: Array, y: Array) -> tuple[Array, Array]:
    """Pixels and digits as bytes.

    Raises
    ------
    ValueError where they are not MNIST's.
    """
    small_X, small_y = X.astype(np.uint8), y.astype(np.uint8)
    same = np.array_equal(small_X, X) and np.array_equal(small_y, y)
    if not same or X.ndim != 2 or X.shape[1] != 784 or y.shape != X.shape[:1] or y.max() > 9:
        raise ValueError(f"no digits: {X.dtype} {X.shape} and {y.dtype} {y.shape}")
    return small_X, small_y


def _fetch(folder: Path) -> tuple[Array, Array]:
    """From OpenML. What is half done or damaged is thrown away, whatever happens.

    Raises
    ------
    ConnectionError with what was tried, why it failed and what to do.
    """
    from sklearn.datasets import fetch_openml

    try:
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix="mnist-") as scratch,
            warnings.catch_warnings(),
            _watched(),
        ):
            # It warns of each attempt; what counts is how the last one ended.
            warnings.simplefilter("ignore")
            # The one parser that needs no pandas.
            X, y = fetch_openml(
                data_id=OPENML_ID,
                data_home=scratch,
                as_frame=False,
                parser="liac-arff",
                return_X_y=True,
            )
        return _checked(X, y.astype(int))
    except HTTPError as error:
        reason = _("the server answered {code} {text}").format(code=error.code, text=error.reason)
    except (URLError, TimeoutError, ConnectionError) as error:
        told = error.reason if isinstance(error, URLError) else error
        reason = _("no answer: {error}").format(error=told)
    except DAMAGED as error:
        reason = _("what came is damaged, or the login page of a network: {error}").format(
            error=str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        )
    raise ConnectionError(
        _(
            "MNIST could not be fetched from openml.org ({reason}): call mnist() again with a "
            "network or later, or go on with digits(28) of autograder.datasets, which needs none "
            "and returns the same kind of X and y."
        ).format(reason=reason)
    )


@contextmanager
def _watched() -> Iterator[None]:
    """While it lasts, what urllib reads is shown as it comes, and must come whole."""
    before = getattr(urllib.request, "_opener", None)
    urllib.request.install_opener(urllib.request.build_opener(_Watch))
    try:
        yield
    finally:
        urllib.request.install_opener(before)


class _Watch(urllib.request.BaseHandler):
    # Before the handler of errors and redirections, which may go round again.
    handler_order = 900

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        request.timeout = PATIENCE_SECONDS
        return request

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        if response.status == 200:
            shown = "/json/" not in request.full_url
            response.read = _counted(response, shown)
        return response

    https_request, https_response = http_request, http_response


def _counted(response: Any, shown: bool) -> Any:
    """`read` of a response, which draws a bar where `shown`.

    http.client takes a connection that ends early for the end of the file when it is asked for
    pieces, as it is here: then it raises IncompleteRead.
    """
    from IPython.display import ProgressBar

    read, told = response.read, response.headers.get("Content-Length")
    packed = response.headers.get("Content-Encoding") == "gzip"
    total = int(told) if told else PACKED_BYTES if packed else TEXT_BYTES
    bar, done, step = ProgressBar(STEPS), 0, 0
    if shown:
        bar.display()

    def counted(*amount: int) -> bytes:
        nonlocal done, step
        piece: bytes = read(*amount)
        done += len(piece)
        if told and done < total and (not piece or not amount):
            raise http.client.IncompleteRead(b"", total - done)
        reached = STEPS if not piece else min(STEPS * done // total, STEPS)
        if shown and reached > step:
            step = bar.progress = reached
        return piece

    return counted
