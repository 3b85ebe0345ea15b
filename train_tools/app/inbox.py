"""What pages send: kept until a job has imported it into its version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from train_tools.app.datasets import IMPORT, Datasets
from train_tools.app.versions import Versions
from train_tools.errors import DatasetNotUsableError, NotFoundError
from train_tools.imports.pairs import keep_pair_image
from train_tools.imports.uploads import Incoming, Uploads
from train_tools.model.dataset import Rejected, Upload
from train_tools.model.job import Job
from train_tools.model.paths import OutputsPaths


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An upload that was begun and is not being imported: its page was closed, or the import was cancelled."""

    upload: Upload
    files: int
    size_bytes: int


class Inbox:
    """Uploads into versions."""

    def __init__(self, outputs: OutputsPaths, versions: Versions, datasets: Datasets) -> None:
        self._uploads = Uploads(outputs.uploads)
        self._versions = versions
        self._datasets = datasets

    def begin(self, project: str, version: str, listed: Sequence[tuple[str, int]]) -> Upload:
        """An upload of files of these names and bytes; what need not be sent is in its `left_out`."""
        self._versions.paths(project, version)
        return self._uploads.begin(project, version, listed)

    def receiving(self, project: str, version: str, id_: str, name: str) -> AbstractContextManager[Incoming]:
        return self._uploads.receiving(self._of(project, version, id_).id, name)

    def waiting(self, project: str, version: str) -> tuple[Waiting, ...]:
        """The uploads that nobody is importing."""
        jobs = self._datasets.jobs(project, version)
        at_work = {job.subject.get("upload") for job in jobs if job.kind == IMPORT and not job.state.finished}
        return tuple(
            Waiting(upload=upload, files=files, size_bytes=size)
            for upload in self._uploads.all(project, version)
            if upload.id not in at_work
            for files, size in [self._uploads.arrived(upload.id)]
        )

    def take_in(self, project: str, version: str, id_: str, encoding: str | None = None) -> Job:
        """Queues the import of what has come. Raises DatasetNotUsableError when that is nothing."""
        files = self._uploads.files_of(self._of(project, version, id_).id)
        return self._datasets.import_later(project, version, sorted(files.iterdir()), encoding, upload=id_)

    def keep_pair_image(self, project: str, version: str, name: str, content: bytes) -> str:
        """Keeps an image for `original_image` or `target_image`; returns what the option is to say."""
        return keep_pair_image(self._versions.paths(project, version), name, content)

    def discard(self, project: str, version: str, id_: str) -> None:
        self._uploads.discard(self._of(project, version, id_).id)

    @contextmanager
    def opened(self, id_: str) -> Iterator[tuple[Path, tuple[Rejected, ...]]]:
        """The folder with an upload's files, and what was not sent. When the block ends well, or nothing in it can
        be used, the files are gone."""
        upload = self._uploads.get(id_)
        try:
            yield self._uploads.files_of(id_), upload.left_out
        except DatasetNotUsableError:
            self._uploads.discard(id_)
            raise
        self._uploads.discard(id_)

    def _of(self, project: str, version: str, id_: str) -> Upload:
        upload = self._uploads.get(id_)
        if (upload.project, upload.version) != (project, version):
            raise NotFoundError(f"That upload is not one for {project} / {version}.")
        return upload
