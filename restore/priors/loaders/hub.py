"""The files of a model: in a folder, or on the Hub and in its local cache."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from restore.errors import PriorError

LARGEST_JSON = 2**24  # Bytes. A config with a table of 100,000 steps has a tenth of it.


class ModelFiles:
    """The files of one model; those on the Hub are downloaded one by one, when they are first needed.

    `HF_HOME`, `HF_HUB_OFFLINE`, `HF_TOKEN` and `HF_ENDPOINT` are honoured.

    Args:
        name: a folder, or a Hub id `owner/model`.
        local_files_only: use the cache alone, never the network.
    """

    def __init__(self, name: str, *, local_files_only: bool = False) -> None:
        self.name = name
        self._local_only = local_files_only
        self._unreachable: str | None = None  # Why the Hub cannot be used; empty if it can; None until tried.

    def get(self, *paths: str) -> Path | None:
        """The local path of the first of these files that the model has; None if it has none of them.

        Raises: PriorError if the Hub has no such model or denies access to it.
        """
        root = Path(self.name)
        if root.is_dir():
            return next((root / path for path in paths if (root / path).is_file()), None)
        return next((found for path in paths if (found := self._fetch(path)) is not None), None)

    def need(self, what: str, *paths: str) -> Path:
        """As `get`, for files of which the model must have one.

        Args:
            what: what the file is, for the error.

        Raises: PriorError as `get`, and if the model has none of them.
        """
        found = self.get(*paths)
        if found is not None:
            return found
        if self._unreachable:
            raise PriorError(f"prior {self.name}: not in the cache, and {self._unreachable}")
        raise PriorError(f"prior {self.name}: no {what}; looked for {' and '.join(paths)}")

    def _fetch(self, path: str) -> Path | None:
        from huggingface_hub import errors, hf_hub_download

        try:
            return Path(hf_hub_download(self.name, path, local_files_only=not self._network(path)))
        except errors.HFValidationError:
            raise PriorError(f"prior {self.name!r} is no folder and no Hub id; give a folder or owner/model") from None
        except errors.GatedRepoError:
            raise PriorError(
                f"prior {self.name} is gated: accept its terms on its page and set HF_TOKEN to a token of yours"
            ) from None
        except errors.RepositoryNotFoundError:
            raise PriorError(
                f"prior {self.name} is not on {_endpoint()}, or is private; check its name, or set HF_TOKEN to a token of yours"
            ) from None
        except errors.LocalEntryNotFoundError:
            if self._unreachable:
                return None
            raise PriorError(
                f"prior {self.name}: {_endpoint()} stopped responding, or is no Hub; check HF_ENDPOINT, or give a folder"
            ) from None
        except errors.EntryNotFoundError:
            return None
        except Exception as error:
            # The Hub's client uses one of several HTTP libraries, which share no base class of errors.
            said = textwrap.shorten(str(error) or type(error).__name__, 200, placeholder="...")
            raise PriorError(f"prior {self.name}: {path} cannot be fetched from {_endpoint()}: {said}") from None

    def _network(self, path: str) -> bool:
        """Whether the Hub is reachable. Tried once per model, because the client retries for half a minute for every file."""
        from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url

        if self._unreachable is None:
            self._unreachable = ""
            if constants.HF_HUB_OFFLINE:
                self._unreachable = "offline mode is on (HF_HUB_OFFLINE); load it once with the network, or give a folder"
            elif self._local_only:
                self._unreachable = "only local files are allowed; load it once with the network, or give a folder"
            else:
                try:
                    get_hf_file_metadata(hf_hub_url(self.name, path), timeout=constants.HF_HUB_ETAG_TIMEOUT)
                except (errors.HFValidationError, errors.RepositoryNotFoundError, errors.EntryNotFoundError):
                    pass  # The Hub is reachable; `_fetch` gets the same error and reports it.
                except errors.HfHubHTTPError as error:
                    status = error.response.status_code
                    self._unreachable = f"{_endpoint()} returned HTTP status {status}; try again later, or give a folder"
                except Exception:
                    # As in `_fetch`: any error of an HTTP library.
                    self._unreachable = f"{_endpoint()} cannot be reached; check the network and HF_ENDPOINT, or give a folder"
        return not self._unreachable


def read_json(path: Path, source: str | None = None) -> dict[str, Any]:
    """A JSON object.

    Args:
        source: the model's name in errors; by default the path.

    Raises: PriorError if the file holds none, or is too large or too deeply nested to be a config.
    """
    where = str(path) if source is None else f"{source}: {path.name}"
    try:
        size = path.stat().st_size
        if not 0 < size <= LARGEST_JSON:
            raise PriorError(f"{where} is no config: it has {size} bytes")
        with path.open("rb") as file:
            value = json.loads(file.read(LARGEST_JSON).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise PriorError(f"{where} cannot be read as JSON: {error}") from None
    except RecursionError:
        raise PriorError(f"{where} cannot be read as JSON: it is nested too deeply") from None
    if not isinstance(value, dict):
        raise PriorError(f"{where} holds no JSON object")
    return value


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)
