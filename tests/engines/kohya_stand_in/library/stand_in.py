"""What kohya's scripts do, without training. Nothing but Python is needed."""

import argparse
import hashlib
import io
import json
import math
import os
import struct
import sys
import time
import tomllib
import zipfile
from pathlib import Path

MARGIN = 30
FRACTIONS = " ▏▎▍▌▋▊▉█"


def parser_of(script):
    parser = argparse.ArgumentParser()
    answers = json.loads(Path(__file__).with_name("options.json").read_text(encoding="utf-8"))
    for option in answers[script]:
        flag = "--" + option["name"]
        if option["action"] == "_StoreTrueAction":
            parser.add_argument(flag, action="store_true")
            continue
        kinds = {"int": int, "float": float, "int_or_float": int_or_float, "Path": Path}
        parser.add_argument(
            flag,
            type=kinds.get(option["type"], str),
            nargs=option["nargs"],
            default=option["default"],
            choices=option["choices"],
            help=option["help"],
        )
    return parser


def int_or_float(value):
    return float(value) if "." in value else int(value)


def log(level, message, place="train_network.py:1"):
    """As rich prints it into a pipe: in columns, without looking where a bar has left the line."""
    width = int(os.environ.get("COLUMNS", "80"))
    text = f"{'':20}{level:<8} {message}"
    rows = [text[at : at + width - MARGIN] for at in range(0, len(text), width - MARGIN)]
    print(f"{rows[0]:<{width - MARGIN}} {place}", file=sys.stderr)
    for row in rows[1:]:
        print(f"{'':29}{row}", file=sys.stderr)


def arguments(parser):
    args = parser.parse_args()
    if not args.config_file:
        return args
    path = Path(args.config_file).with_suffix(".toml")
    log("INFO", f"Loading settings from {path}...")
    if not path.exists():
        log("INFO", f"{path} not found.")
        sys.exit(1)
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    flat = {}
    for key, value in table.items():
        flat.update(value if isinstance(value, dict) else {key: value})
    return parser.parse_args(namespace=argparse.Namespace(**flat))


class Comment:
    """`seconds=0.01 kill_at=3 nan_at=4`: what a test wants of this run."""

    def __init__(self, text):
        self.words = dict(word.split("=") for word in (text or "").split() if "=" in word)

    def number(self, name, default=None):
        return float(self.words[name]) if name in self.words else default


def main(parser):
    args = arguments(parser)
    comment = Comment(getattr(args, "training_comment", None))
    resolution = args.resolution.split(",") if args.resolution is not None else ["512"]
    images, batches = dataset(args)
    print("preparing accelerator")
    if images == 0:
        log(
            "ERROR",
            "No data found. Please verify arguments (train_data_dir must be the parent of folders with images)",
        )
        return
    load_model(args)
    log("INFO", "caching latents...", "train_util.py:1170")
    if args.network_module is None:
        raise AttributeError("'NoneType' object has no attribute 'startswith'")
    print(f"import network module: {args.network_module}")
    log("INFO", f"create LoRA network. base dim (rank): {args.network_dim or 4}, alpha: {args.network_alpha}")
    (args.unet_lr or args.learning_rate) * 1.0  # a text here is an error, as there
    if comment.words.get("stop") == "memory":
        raise MemoryError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory")
    Training(args, comment, batches, len(resolution)).run()


def dataset(args):
    """The number of images and of batches, with the complaints there would be."""
    described = tomllib.loads(Path(args.dataset_config).read_text(encoding="utf-8"))
    if set(described) - {"general", "datasets"}:
        log("ERROR", "Invalid user config")
        raise ValueError("MultipleInvalid: extra keys not allowed @ data['" + sorted(described)[0] + "']")
    log("INFO", "prepare images.", "train_util.py:2112")
    images = steps = 0
    for each in described["datasets"]:
        drawn = 0
        for subset in each["subsets"]:
            folder = Path(subset["image_dir"])
            if not folder.is_dir():
                log("WARNING", f"not directory: {folder} / ディレクトリではありません")
                continue
            files = [file for file in sorted(folder.iterdir()) if file.suffix in (".png", ".jpg", ".webp", ".bmp")]
            if not files:
                log("WARNING", "ignore subset with image_dir: no images found / 画像がないため無視します")
            if subset["is_reg"]:
                continue
            extension = subset.get("caption_extension", described["general"]["caption_extension"])
            check_files(files, extension)
            images += len(files)
            drawn += len(files) * subset["num_repeats"]
        steps += math.ceil(drawn / each["batch_size"])
    log("WARNING", "no regularization images / 正則化画像が見つかりませんでした")
    return images, steps


def check_files(files, extension):
    for number, file in enumerate(files):
        bar("", number, len(files), 0.0)
        caption = file.with_suffix(extension)
        if caption.is_file() and caption.stat().st_size == 0:
            raise AssertionError(f"caption file is empty / キャプションファイルが空です: {caption}")
        if file.read_bytes()[:8] == b"garbage\n":
            log("WARNING", f"failed to get image size: {file}")
            1 / 0  # noqa: B018


def load_model(args):
    path = args.pretrained_model_name_or_path
    log("INFO", "loading model for process 0/1", "train_util.py:5574")
    log("INFO", f"load StableDiffusion checkpoint: {path}", "train_util.py:5530")
    if not Path(path).exists():
        raise ValueError(f"{path} is neither a valid local path nor a valid repo id.")
    if args.v2:
        raise RuntimeError("Error(s) in loading state_dict for UNet2DConditionModel:\n\tMissing key(s): a, b")


def bar(name, done, total, seconds, postfix=""):
    share = done / total if total else 0
    cells = share * 10
    drawn = "█" * int(cells) + FRACTIONS[int(cells % 1 * 8)].strip()
    rate = f"{seconds / done:5.2f}s/it" if done else "?it/s"
    left = f"00:{int(seconds):02}<00:00" if done else "00:00<?"
    text = f"{name}{100 * share:3.0f}%|{drawn:<10}| {done}/{total} [{left}, {rate}{postfix}]"
    sys.stderr.write("\r" + text)
    sys.stderr.flush()


class Training:
    """The loop, with the counting of kohya's: after a state of a later epoch it begins at what is left of the
    state's steps when whole epochs are taken off."""

    def __init__(self, args, comment, batches, dimensions):
        self.args, self.comment, self.batches = args, comment, batches
        self.accumulation = args.gradient_accumulation_steps
        self.per_epoch = math.ceil(batches / self.accumulation)
        if args.max_train_epochs is not None:
            args.max_train_steps = args.max_train_epochs * self.per_epoch
            words = f"override steps. steps for {args.max_train_epochs} epochs is / 指定エポックまでのステップ数"
            print(f"{words}: {args.max_train_steps}")
        self.epochs = math.ceil(args.max_train_steps / self.per_epoch)
        self.step = 0
        self.true_step = 0
        self.losses = []
        self.began = time.monotonic()

    def run(self):
        args = self.args
        print("running training / 学習開始")
        print(f"  num train images * repeats / 学習画像の数×繰り返し回数: {self.batches}")
        print("  num reg images / 正則化画像の数: 0")
        print(f"  num batches per epoch / 1epochのバッチ数: {self.batches}")
        print(f"  num epochs / epoch数: {self.epochs}")
        print(f"  batch size per device / バッチサイズ: {args.train_batch_size}")
        print(f"  gradient accumulation steps / 勾配を合計するステップ数 = {self.accumulation}")
        print(f"  total optimization steps / 学習ステップ数: {args.max_train_steps}")
        first_epoch, left_out = self.resume()
        self.total = args.max_train_steps - left_out
        self.done = 0
        self.bar()
        for epoch in range(first_epoch, self.epochs):
            print(f"\nepoch {epoch + 1}/{self.epochs}")
            log("INFO", f"epoch is incremented. current_epoch: {epoch}, epoch: {epoch + 1}", "train_util.py:784")
            begin = left_out if epoch == first_epoch else 0
            for _ in range(begin, self.per_epoch):
                self.one_step(epoch)
                if self.step >= args.max_train_steps:
                    break
            if (
                args.save_every_n_epochs
                and (epoch + 1) % args.save_every_n_epochs == 0
                and epoch + 1 < self.epochs
            ):
                self.save(f"{args.output_name}-{epoch + 1:06d}", epoch + 1)
                if args.save_state:
                    self.save_state(
                        f"{args.output_name}-{epoch + 1:06d}-state",
                        f"saving state at epoch {epoch + 1}",
                        epoch + 1,
                    )
        if args.save_state or args.save_state_on_train_end:
            self.save_state(f"{args.output_name}-state", "saving last state.", self.epochs)
        self.save(args.output_name, self.epochs)
        log("INFO", "model saved.")
        self.bar()

    def resume(self):
        """The epoch to begin in and the steps of it that are passed over."""
        args = self.args
        if not args.resume:
            return 0, 0
        log("INFO", f"resume training from local state: {args.resume}", "train_util.py:4777")
        state = Path(args.resume)
        position = json.loads((state / "train_state.json").read_text())
        for name in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"):
            assert zipfile.is_zipfile(state / name), name
        log("INFO", f"load train state from {state / 'train_state.json'}: {position}", "train_network.py:969")
        at = position["current_step"]
        assert args.max_train_steps > at, (
            f"max_train_steps should be greater than initial step / 大きい: {args.max_train_steps} vs {at}"
        )
        self.true_step = at
        if not args.skip_until_initial_step:
            return at // self.per_epoch, 0
        log("INFO", f"skipping {at} steps / {at}ステップをスキップします")
        at *= self.accumulation
        epoch = at // self.per_epoch
        for skipped in range(epoch):
            log("INFO", f"skipping epoch {skipped + 1} because initial_step (multiplied) is {at}")
            at -= self.batches
        self.step = at
        return epoch, max(0, at)

    def one_step(self, epoch):
        time.sleep(self.comment.number("seconds", 0.0))
        self.step += 1
        self.done += 1
        self.true_step += 1
        self.die_if_asked()
        self.bar()
        args = self.args
        if args.save_every_n_steps and self.step % args.save_every_n_steps == 0:
            name = f"{args.output_name}-step{self.step:08d}"
            self.save(name, epoch)
            if args.save_state:
                self.save_state(f"{name}-state", f"saving state at step {self.step}", epoch + 1)
            self.remove_old(epoch)
        nan = self.comment.number("nan_at")
        self.losses.append(math.nan if nan is not None and self.true_step >= nan else 1 / self.true_step)
        self.bar()

    def die_if_asked(self):
        at = self.true_step
        if at == self.comment.number("crash_at"):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        if at == self.comment.number("kill_at"):
            os.kill(os.getpid(), 9)
        if at == self.comment.number("hang_at"):
            time.sleep(600)

    def bar(self):
        average = sum(self.losses[-self.batches :]) / len(self.losses[-self.batches :]) if self.losses else None
        postfix = f", avr_loss={average:.3g}" if average is not None else ""
        bar("steps: ", self.done, self.total, time.monotonic() - self.began, postfix)

    def save(self, name, epoch):
        args = self.args
        if args.output_dir is None:
            raise TypeError("expected str, bytes or os.PathLike object, not NoneType")
        Path(args.output_dir).mkdir(parents=True, exist_ok=True)
        file = Path(args.output_dir, f"{name}.{args.save_model_as}")
        print(f"\nsaving checkpoint: {file}")
        log("WARNING", "Failed to get git commit hash, using fallback", "sai_model_spec.py:288")
        metadata = {
            "ss_output_name": args.output_name,
            "ss_epoch": str(epoch),
            "ss_steps": str(self.step),
            "ss_seed": str(args.seed),
            "ss_network_dim": str(args.network_dim),
            "ss_network_module": args.network_module,
            "ss_training_comment": str(args.training_comment),
            "ss_tag_frequency": json.dumps({"zorb": {"a zorb": 3, "number 0": 1}}),
        }
        write_lora(file, metadata, f"{args.network_dim} {args.seed} {self.true_step}", self.comment)

    def remove_old(self, epoch):
        last = self.args.save_last_n_steps
        if last is None:
            return
        old = self.step - last - 1
        old -= old % self.args.save_every_n_steps
        file = Path(self.args.output_dir, f"{self.args.output_name}-step{old:08d}.safetensors")
        if old > 0 and file.exists():
            print(f"removing old checkpoint: {file}")
            file.unlink()

    def save_state(self, name, words, epoch):
        log("INFO", "", "train_util.py:5963")
        log("INFO", words, "train_util.py:5964")
        folder = Path(self.args.output_dir, name)
        folder.mkdir(parents=True, exist_ok=True)
        log("INFO", f"Saving current state to {folder}", "accelerator.py:3241")
        position = {"current_epoch": epoch, "current_step": self.step}
        (folder / "train_state.json").write_text(json.dumps(position))
        log("INFO", f"save train state to {folder / 'train_state.json'} at epoch {epoch} step {self.step}")
        write_lora(folder / "model.safetensors", {"format": "pt"}, str(self.true_step), self.comment)
        log("INFO", f"Model weights saved in {folder / 'model.safetensors'}", "checkpointing.py:108")
        for file, what in (("optimizer.bin", "Optimizer state"), ("scheduler.bin", "Scheduler state")):
            archive(folder / file)
            log("INFO", f"{what} saved in {folder / file}", "checkpointing.py:115")
        if self.comment.number("torn_state_at") == self.true_step:
            os.kill(os.getpid(), 9)
        archive(folder / "random_states_0.pkl")
        log("INFO", f"Random states saved in {folder / 'random_states_0.pkl'}", "checkpointing.py:170")


def archive(file):
    """A file as torch.save writes it: a zip."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as packed:
        packed.writestr("archive/data.pkl", b"stand-in")
    file.write_bytes(memory.getvalue())


def write_lora(file, metadata, seed, comment):
    data = hashlib.sha256(seed.encode()).digest() * 4
    entry = {"dtype": "F32", "shape": [4, 8], "data_offsets": [0, len(data)]}
    header = json.dumps({"__metadata__": metadata, "lora_unet.lora_up.weight": entry}).encode()
    whole = struct.pack("<Q", len(header)) + header + data
    with file.open("wb") as out:
        out.write(whole[: len(whole) // 2])
        out.flush()
        time.sleep(comment.number("saving_seconds", 0.0))
        out.write(whole[len(whole) // 2 :])
