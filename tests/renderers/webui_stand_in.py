"""A WebUI for tests: a real server that answers as A1111 and its relatives were measured to, in each
family's form, with faults to be switched on. Pictures are coloured noise that depends on whatever a real picture
depends on.

LoRAs are looked up in the folder at each use and remembered by name for ever, as the WebUIs' caches do: who uses a
name twice for two contents gets the old picture.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import data_sha256, file_sha256, verify_safetensors
from train_tools.renderers.webui_http.families import Family

VERSIONS = {
    Family.A1111: "v1.10.1",
    Family.REFORGE: "f1.0.0v2-v1.10.1RC-latest-2378-g3b56b268",
    Family.FORGE: "f2.0.1v1.10.1-previous-669-gdfdcbab6",
    Family.CLASSIC: "classic",
    Family.NEO: "neo-2.1",
}
WITH_MODULES = (Family.FORGE, Family.NEO)
SAMPLERS = {"DDIM": ["ddim"], "Euler": ["k_euler"], "Euler a": ["k_euler_a"], "DPM++ 2M": ["k_dpmpp_2m"]}
TAG = re.compile(r"<lora:([^:<>]+):([^<>]+)>")


@dataclass
class StandInWebui:
    """What it is, what is wrong with it, and what was asked of it."""

    lora_folder: Path
    models: list[Path]
    family: Family = Family.A1111
    faults: set[str] = field(default_factory=set)
    password: str = ""
    """Of the user "me"; "" = it wants none."""
    step_s: float = 0.002
    port: int = 0
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and body of each request."""
    rendering: threading.Event = field(default_factory=threading.Event)
    """Set while a picture is being rendered."""
    interrupted: bool = False
    loaded: bool = True
    broken: bool = False
    """A LoRA has left its model without weights."""
    traces: int = 0
    """How many LoRAs were added to its model's weights and subtracted again."""
    task: str = ""
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    remembered: dict[str, tuple[Path, bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths_asked(self) -> list[str]:
        return [path for _, path, _ in self.asked]

    def pictures_asked(self) -> list[dict[str, Any]]:
        return [body for _, path, body in self.asked if path == "/sdapi/v1/txt2img"]

    def takes(self, fault: str) -> bool:
        """Whether it has this fault; one that ends with "_once" is gone then."""
        if fault not in self.faults:
            return False
        if fault.endswith("_once"):
            self.faults.discard(fault)
        return True

    def staged(self) -> list[Path]:
        return sorted(file for file in self.lora_folder.rglob("*") if file.is_file())


@contextmanager
def stand_in_webui(folder: Path, models: list[Path], **changes: Any) -> Iterator[StandInWebui]:
    """Served on a free port as long as the block lasts."""
    lora_folder = folder / "models" / "Lora"
    lora_folder.mkdir(parents=True, exist_ok=True)
    webui = StandInWebui(lora_folder, models, **changes)

    class Answers(_Answers):
        pass

    Answers.webui = webui

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *words: object) -> None:
            """The other side has gone."""

    with Quiet(("127.0.0.1", 0), Answers) as server:
        webui.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield webui
        finally:
            webui.ended.set()
            server.shutdown()
            thread.join()


class _Answers(BaseHTTPRequestHandler):
    webui: StandInWebui
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}"))

    def _answer(self, body: Any) -> None:
        webui, path = self.webui, self.path.partition("?")[0]
        webui.asked.append((self.command, path, body))
        if "hangs" in webui.faults:
            webui.ended.wait()
        if "redirects" in webui.faults:
            self._send(307, b"", location="http://elsewhere.example/sdapi?token=1")
            return None
        if "no_webui" in webui.faults:
            self._send(200, b"<html>my printer</html>")
            return None
        if path.startswith("/sdapi") and not self._is_open(path):
            self._json({"detail": "Incorrect username or password"}, 401)
            return None
        route = getattr(self, f"{self.command.lower()}_{re.sub(r'[^a-z0-9]', '_', path.strip('/'))}", None)
        if route is None or ("no_api" in webui.faults and path.startswith("/sdapi") and "loras" not in path):
            self._json({"detail": "Not Found"}, 404)
            return None
        return route(body)

    def _is_open(self, path: str) -> bool:
        """The routes of the LoRA extension have no lock."""
        secret = base64.b64encode(f"me:{self.webui.password}".encode()).decode()
        given = self.headers.get("authorization", "")
        return not self.webui.password or path.endswith("loras") or given == f"Basic {secret}"

    def _json(self, answer: Any, status: int = 200) -> None:
        self._send(status, json.dumps(answer).encode())

    def _send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = status >= 500

    def _gone(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _done(self) -> None:
        """SD.Next has nothing more to say."""
        return self._send(204, b"") if self.webui.family is Family.SDNEXT else self._json({})

    def get_internal_ping(self, _: Any) -> None:
        self._json({})

    def get_internal_sysinfo(self, _: Any) -> None:
        if self.webui.family is Family.SDNEXT:
            self._json({"detail": "Not Found"}, 404)
            return
        data = str(self.webui.lora_folder.parent.parent)
        line = ["launch.py", "--api", *(["--no-hashing"] if "no_hashing" in self.webui.faults else [])]
        self._json({"Version": VERSIONS[self.webui.family], "Data path": data, "Commandline": line})

    def get_sdapi_v1_version(self, _: Any) -> None:
        self._only(Family.SDNEXT, {"app": "sd.next"})

    def get_sdapi_v1_sd_modules(self, _: Any) -> None:
        self._only(self.webui.family if self.webui.family in WITH_MODULES else None, [])

    def _only(self, family: Family | None, answer: Any) -> None:
        return self._json(answer) if self.webui.family is family else self._json({"detail": "Not Found"}, 404)

    def get_sdapi_v1_cmd_flags(self, _: Any) -> None:
        self._json({"error": "ResponseValidationError"}, 500)

    def get_sdapi_v1_samplers(self, _: Any) -> None:
        names = dict(SAMPLERS)
        if self.webui.family is Family.CLASSIC:
            names["DPM++ 2M Karras"] = ["k_dpmpp_2m_ka"]
        sdnext = self.webui.family is Family.SDNEXT
        self._json([{"name": n, "options": {}, **({} if sdnext else {"aliases": a})} for n, a in names.items()])

    def get_sdapi_v1_schedulers(self, _: Any) -> None:
        if self.webui.family is Family.CLASSIC:
            self._json({"detail": "Not Found"}, 404)
            return
        if self.webui.family is Family.SDNEXT:
            self._json([{"name": "DDIM", "class": "DDIMScheduler"}])
            return
        pairs = {"automatic": "Automatic", "karras": "Karras", "sgm_uniform": "SGM Uniform"}
        self._json([{"name": n, "label": lbl, "aliases": None, "default_rho": -1} for n, lbl in pairs.items()])

    def get_sdapi_v1_options(self, _: Any) -> None:
        names = [
            "sd_model_checkpoint",
            "CLIP_stop_at_last_layers",
            "samples_format",
            "lora_add_hashes_to_infotext",
        ]
        own = {"samples_format": "png", "ckpt_dir": "models/Stable-diffusion", "lora_dir": "models/Lora"}
        if "own_format" in self.webui.faults:
            del own["samples_format"]
        self._json(own if self.webui.family is Family.SDNEXT else dict.fromkeys(names))

    def get_sdapi_v1_options_info(self, _: Any) -> None:
        """All that SD.Next has, where `options` lists only what was changed."""
        defaults = {"sd_model_checkpoint": "", "samples_format": "jpg", "lora_fuse_native": True}
        defaults |= {"CLIP_stop_at_last_layers": 1, "lora_add_hashes_to_infotext": False}
        if "of_2025" in self.webui.faults:
            del defaults["lora_fuse_native"]
        described = {name: {"default": default} for name, default in defaults.items()}
        self._only(Family.SDNEXT, {"options": described, "sections": []})

    def get_sdapi_v1_sd_models(self, _: Any) -> None:
        self._json(
            [
                {
                    "title": f"sub/{path.name}",
                    "model_name": f"sub_{path.stem}",
                    "hash": None,
                    "sha256": None,
                    "filename": "/far/away/" + path.name if "models_elsewhere" in self.webui.faults else str(path),
                }
                for path in self.webui.models
            ]
        )

    def post_sdapi_v1_refresh_checkpoints(self, _: Any) -> None:
        self._json(None)

    def get_sdapi_v1_loras(self, _: Any) -> None:
        folder = self.webui.lora_folder
        if "other_lora_folder" in self.webui.faults:
            folder = folder / "nowhere"
        found = sorted(folder.rglob("*.safetensors"))
        self._json([{"name": file.stem, "alias": file.stem, "path": str(file), "metadata": {}} for file in found])

    def post_sdapi_v1_refresh_loras(self, _: Any) -> None:
        self._json([] if self.webui.family is Family.SDNEXT else None)

    def post_sdapi_v1_unload_checkpoint(self, _: Any) -> None:
        self.webui.loaded = self.webui.broken = False
        self._done()

    def post_sdapi_v1_reload_checkpoint(self, _: Any) -> None:
        if self.webui.family is Family.NEO:
            self._json({"detail": "Not Found"}, 404)
            return
        self.webui.loaded = True
        self._done()

    def get_sdapi_v1_progress(self, _: Any) -> None:
        busy = self.webui.rendering.is_set()
        state = {"interrupted": self.webui.interrupted, "skipped": False, "job_count": int(busy)}
        self._json({"progress": time.time() if busy and "stuck" not in self.webui.faults else 0, "state": state})

    def post_internal_progress(self, body: Any) -> None:
        ours = self.webui.rendering.is_set() and body["id_task"] == self.webui.task
        moves = ours and "stuck" not in self.webui.faults
        self._json({"active": ours, "queued": False, "completed": False, "progress": time.time() if moves else 0})

    def post_sdapi_v1_interrupt(self, _: Any) -> None:
        self.webui.interrupted = True
        self._done()

    def post_sdapi_v1_txt2img(self, body: Any) -> None:
        webui = self.webui
        with webui.lock:
            webui.task, webui.interrupted = body.get("force_task_id", ""), False
            webui.rendering.set()
            try:
                self._render(body)
            finally:
                webui.rendering.clear()

    def _render(self, body: dict[str, Any]) -> None:
        webui = self.webui
        if webui.takes("reset") or webui.takes("reset_once"):
            self._gone()
            return
        if webui.takes("fails_and_closes"):
            self._json({"error": "RuntimeError", "detail": "", "errors": "mat1 and mat2 shapes"}, 500)
            return
        if webui.takes("nan"):
            self._json({"error": "NansException", "errors": "A tensor with all NaNs in Unet"}, 500)
            return
        if webui.takes("no_memory"):
            self._json({"error": "OutOfMemoryError", "errors": "CUDA out of memory"}, 500)
            return
        if "breaks" in webui.faults and "<lora:" in body["prompt"]:
            webui.faults.discard("breaks")
            webui.broken = webui.family is Family.SDNEXT
            self._json({"error": "TypeError", "errors": "conv2d() received an invalid combination"}, 500)
            return
        if webui.broken:
            self._json({"error": "TypeError", "errors": "conv2d() received an invalid combination"}, 500)
            return
        if webui.takes("renders_nothing"):
            self._json({"images": [], "parameters": {}, "info": ""})
            return
        if webui.takes("somebody_interrupts") or webui.takes("somebody_interrupts_once"):
            webui.interrupted = True
        if webui.takes("stuck"):
            webui.faults.add("stuck")
            while not (webui.interrupted or webui.ended.wait(0.02)):
                pass
        for _ in range(body["steps"]):
            if webui.interrupted or webui.ended.wait(webui.step_s):
                break
        answer = self._picture(body)
        content = json.dumps(answer).encode()
        if webui.takes("cut_short"):
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self._gone()
            return
        self._send(200, content)

    def _picture(self, body: dict[str, Any]) -> dict[str, Any]:
        webui, faults = self.webui, self.webui.faults
        wanted = body["override_settings"]["sd_model_checkpoint"]
        known = {f"sub/{path.name}": path for path in webui.models}
        model = known.get(wanted, webui.models[0])
        if "another_model" in faults:
            model = webui.models[-1]
        sampler = body["sampler_name"]
        sampler = "Euler" if "another_sampler" in faults else sampler
        scheduler = "Automatic" if "another_scheduler" in faults else body.get("scheduler", "Automatic")
        clip_skip = body["override_settings"].get("CLIP_stop_at_last_layers", 1)
        clip_skip = body.get("clip_skip", 1) if webui.family is Family.SDNEXT else clip_skip
        clip_skip = 3 if "another_clip_skip" in faults else clip_skip
        seed = body["seed"] + ("another_seed" in faults)
        size = (body["width"] + 8 * ("another_size" in faults), body["height"])
        words = TAG.sub("", body["prompt"]).strip()
        facts = [file_sha256(model), words, body["negative_prompt"], seed, body["steps"], sampler, scheduler]
        image = _noise([*facts, body["cfg_scale"], clip_skip], size)
        applied = {}
        for name, weight in TAG.findall(body["prompt"]):
            content = self._lora(name)
            if content is not None:
                applied[name] = content
                image = image + self._effect(content, float(weight), size)
        image = image + webui.traces
        if webui.family is Family.SDNEXT and body["override_settings"].get("lora_fuse_native", True):
            webui.traces += len(applied)
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        pixels = np.zeros_like(pixels) if "black" in faults else pixels
        said = self._said(body, model, sampler, scheduler, clip_skip, seed, size, applied)
        return {"images": _images(pixels, faults), "parameters": body, "info": said}

    def _lora(self, name: str) -> tuple[Path, bytes] | None:
        """As it was when its name was first used."""
        webui = self.webui
        if "drops_loras" in webui.faults:
            return None
        if "forgets_files" in webui.faults:
            for file in webui.lora_folder.rglob(f"{name}.safetensors"):
                file.unlink()
        if name not in webui.remembered:
            files = sorted(webui.lora_folder.rglob(f"{name}.safetensors"))
            try:
                if not files or not verify_safetensors(files[-1]):
                    return None
            except CheckpointError:
                return None
            webui.remembered[name] = (files[-1], files[-1].read_bytes())
        return webui.remembered[name]

    def _effect(self, lora: tuple[Path, bytes], weight: float, size: tuple[int, int]) -> np.ndarray:
        _, content = lora
        if b"lora_te2" in content or "no_effect" in self.webui.faults:
            return np.zeros((size[1], size[0], 3))
        effect = weight * (_noise([hashlib.sha256(content).hexdigest()], size) - 128) / 4
        return np.trunc(effect / 40) if "weak" in self.webui.faults else effect

    def _said(
        self,
        body: dict[str, Any],
        model: Path,
        sampler: str,
        scheduler: str,
        clip_skip: int,
        seed: int,
        size: tuple[int, int],
        applied: dict[str, tuple[Path, bytes]],
    ) -> str:
        faults, family = self.webui.faults, self.webui.family
        model_hash = "" if "no_hashing" in faults else file_sha256(model)[:10]
        hashes = {name: self._hash_of(path) for name, (path, _) in applied.items() if path.is_file()}
        parts = [f"Steps: {body['steps']}", f"Sampler: {sampler}"]
        if family not in (Family.CLASSIC, Family.SDNEXT):
            parts.append(f"Schedule type: {scheduler}")
        parts += [f"CFG scale: {body['cfg_scale']}", f"Seed: {seed}", f"Size: {size[0]}x{size[1]}"]
        parts += [f"Model hash: {model_hash}"] if model_hash else []
        parts += [f"Model: {model.stem}"]
        skip_name = "CLiP-skip" if family is Family.SDNEXT else "Clip skip"
        parts += [f"{skip_name}: {clip_skip}"] if clip_skip > 1 else []
        if "lora_of_its_own" in faults:
            hashes["theirs"] = "0123456789ab"
        if hashes and "no_hashing" not in faults:
            if family is Family.SDNEXT:
                parts.append(_quoted("LoRA networks", [*hashes]))
                parts.append(_quoted("LoRA hashes", [hash_[:8] for hash_ in hashes.values()]))
            else:
                parts.append(_quoted("Lora hashes", [f"{name}: {hash_}" for name, hash_ in hashes.items()]))
        negative = f"Negative prompt: {body['negative_prompt']}\n" if body["negative_prompt"] else ""
        return json.dumps(
            {
                "all_seeds": [seed],
                "infotexts": [f"{body['prompt']}\n{negative}{', '.join(parts)}"],
                "index_of_first_image": int("grid_first" in faults),
                "sd_model_name": model.stem,
                "sd_model_hash": model_hash or None,
                "sampler_name": sampler,
                "extra_generation_params": {},
            }
        )

    def _hash_of(self, path: Path) -> str:
        if "another_lora" in self.webui.faults:
            return "0123456789ab"
        whole = self.webui.family is Family.FORGE
        return (file_sha256(path) if whole else data_sha256(path))[:12]

    def log_message(self, *words: object) -> None:
        """Says nothing."""


def _quoted(name: str, values: list[str]) -> str:
    """As infotexts are written: only what holds a comma or a colon is in quotation marks."""
    text = ", ".join(values)
    return f'{name}: "{text}"' if "," in text or ":" in text else f"{name}: {text}"


def _images(pixels: np.ndarray, faults: set[str]) -> list[str]:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG" if faults & {"jpeg", "own_format"} else "PNG")
    text = base64.b64encode(content.getvalue()).decode()
    text = text[: len(text) // 2] if "half_a_picture" in faults else text
    prefix = "data:image/png;base64," if "prefixed" in faults else ""
    count = 0 if "no_picture" in faults else 2 if "grid_first" in faults or "two_pictures" in faults else 1
    return [prefix + text] * count


def _noise(facts: list[Any], size: tuple[int, int]) -> np.ndarray:
    number = int.from_bytes(hashlib.sha256(repr(facts).encode()).digest()[:8], "big")
    return np.random.default_rng(number).integers(40, 216, (size[1], size[0], 3)).astype(float)
