"""What is compared, and the command of every contestant. Shotlens comes first in each subject."""
import pathlib

import environments
from backbones import BACKBONES
from contest import Contestant, Subject

HERE = pathlib.Path(__file__).parent
COUNTS = {"one": 1, "small": 256, "large": 24}
WHICH = {"one": "one JPEG file", "small": "256 JPEG files of 500 × 375", "large": "24 JPEG files of 4000 × 3000"}


class Subjects:
    def __init__(self, work, shotlens, threads):
        self.work, self.shotlens, self.threads = work, shotlens, str(threads)
        self.python = environments.python(work, "torch")

    def all(self):
        encode = {name: self.encode(name) for name in ("vit-b-32", "vit-b-16", "vit-l-14")}
        files = [made(photos) for photos in ("small", "large", "one")
                 for made in (self.files, self.files_as_rclip, self.files_as_clip_retrieval)]
        return [encode["vit-b-32"], *files, encode["vit-b-16"], encode["vit-l-14"], self.train(), self.tune()]

    def encode(self, backbone):
        batch = BACKBONES[backbone].batch
        rate = lambda printed: printed[0]["encode_images_per_second"]

        def ours(dtype):
            args = ["--backbone", backbone, "--batch", str(batch), "--dtype", dtype, "--encoder-only"]
            return Contestant(f"Shotlens, {dtype}", "shotlens bench embed " + " ".join(args),
                              [self.shotlens, "bench", "embed", *args, "--threads", self.threads, "--json"], value=rate)

        def peer(title, engine, dtype):
            files = ["--model", self.work / "models" / backbone, "--graph", self.work / "graphs" / f"{backbone}.onnx"]
            return Contestant(f"{title}, {dtype}", f"encode.py {engine} {dtype} --batch {batch}",
                              [self.python, HERE / "encode.py", engine, dtype, *files, "--batch", str(batch), "--threads", self.threads],
                              value=rate)

        peers = [peer("onnxruntime", "onnxruntime", "f32"), peer("OpenVINO", "openvino", "f32"), peer("PyTorch", "torch", "f32"),
                 ours("bf16"), peer("OpenVINO", "openvino", "bf16"), peer("PyTorch autocast", "torch", "bf16")]
        return Subject(f"encode-{backbone}", f"encoder alone, {backbone}, batches of {batch}", "photos/s", [ours("f32"), *peers])

    def shotlens_files(self, photos, backbone):
        folder, model = self.work / "photos" / photos, self.work / "models" / backbone
        return Contestant("Shotlens", "shotlens embed PHOTOS --model MODEL --out F.safetensors",
                          [self.shotlens, "embed", folder, "--model", model, "--out", "{out}/f.safetensors", "--threads", self.threads],
                          env={"SHOTLENS_HOME": "{out}/home"}, features="f.safetensors")

    def files(self, photos):
        """Files to features in ViT-B/32, as whole processes."""
        folder, model = self.work / "photos" / photos, self.work / "models" / "vit-b-32"

        def python(title, pipeline):
            return Contestant(title, f"pipeline.py {pipeline} PHOTOS --model MODEL --out F.npy",
                              [self.python, HERE / "pipeline.py", pipeline, folder, "--model", model, "--out", "{out}/f.npy",
                               "--threads", self.threads], features="f.npy")

        contestants = [self.shotlens_files(photos, "vit-b-32"), python("transformers with a DataLoader", "transformers"),
                       python("the same, autocast to bf16", "transformers-bf16"),
                       python("sentence-transformers", "sentence-transformers")]
        return Subject(f"files-{photos}", f"{WHICH[photos]} to features on disk, vit-b-32, whole process", "s", contestants, COUNTS[photos])

    def files_as_clip_retrieval(self, photos):
        """As `files`, and a subject of its own because clip-retrieval takes long to start."""
        folder, model = self.work / "photos" / photos, self.work / "models" / "vit-b-32"
        clip_retrieval = Contestant(
            "clip-retrieval",
            "clip-retrieval inference --input_dataset PHOTOS --clip_model hf_clip:MODEL --enable_text False --batch_size 32 "
            f"--num_prepro_workers {self.threads} --output_folder OUT",
            [environments.program(self.work, "clip-retrieval"), "inference", "--input_dataset", folder, "--output_folder", "{out}",
             "--clip_model", f"hf_clip:{model}", "--enable_text", "False", "--batch_size", "32", "--num_prepro_workers", self.threads],
            features="img_emb/img_emb_0.npy")
        return Subject(f"clip-retrieval-{photos}", f"{WHICH[photos]} to features on disk, vit-b-32, whole process, beside clip-retrieval", "s",
                       [self.shotlens_files(photos, "vit-b-32"), clip_retrieval], COUNTS[photos])

    def files_as_rclip(self, photos):
        """Files to features in the one model that rclip takes, ViT-B/32 with crops of 256 pixels."""
        folder, data = self.work / "photos" / photos, self.work / "rclip-data"
        model = "ViT-B-32-256-datacomp_s34b_b86k"

        def link(out):
            for name in (model, "tokenizer"):
                (out / name).symlink_to(data / name)

        rclip = Contestant("rclip", "rclip FIRST_PHOTO", [environments.program(self.work, "rclip"), "./0000.jpg", "-f"],
                           env={"RCLIP_DATADIR": "{out}"}, cwd=folder, prepare=link, features="db.sqlite3")
        return Subject(f"rclip-{photos}", f"{WHICH[photos]} to features on disk, vit-b-32 with crops of 256 pixels, whole process, beside rclip", "s",
                       [self.shotlens_files(photos, "vit-b-32-256"), rclip], COUNTS[photos])

    def train(self):
        rate = lambda printed: printed[0]["train_images_per_second"]
        args = ["--backbone", "vit-b-32", "--batch", "32"]
        return Subject("train", "a step of adapter training, vit-b-32, adapters in every block, batches of 32", "photos/s", [
            Contestant("Shotlens, f32", "shotlens bench train " + " ".join(args),
                       [self.shotlens, "bench", "train", *args, "--threads", self.threads, "--json"], value=rate),
            Contestant("PyTorch, f32", "train_pytorch.py " + " ".join(args),
                       [self.python, HERE / "train_pytorch.py", *args, "--threads", self.threads], value=rate)])

    def tune(self):
        """Tip-Adapter's search through 4,000 pairs; what would take minutes is timed on every 40th β."""
        features = self.work / "tune.safetensors"

        def peer(title, variant, every):
            args = ["--search", "tip-adapter", "--variant", variant, "--every", str(every)]
            return Contestant(title, "tune_pytorch.py F.safetensors " + " ".join(args),
                              [self.python, HERE / "tune_pytorch.py", features, *args, "--threads", self.threads],
                              value=lambda printed: printed["seconds"] * 4000 / printed["combinations"])

        return Subject("tune", "Tip-Adapter's search, 4,000 pairs of α and β, 1,600 keys, 100 classes, 2,000 photos, 512 numbers", "s", [
            Contestant("Shotlens", "shotlens bench tune --search tip-adapter",
                       [self.shotlens, "bench", "tune", "--search", "tip-adapter", "--out", features, "--threads", self.threads, "--json"],
                       value=lambda printed: printed[0]["seconds"]),
            peer("PyTorch, everything anew for each pair (from 100 pairs)", "plain", 40),
            peer("PyTorch, products taken once (from 100 pairs)", "hoisted", 40),
            peer("PyTorch, and the class sums once for each β (all pairs)", "sums", 1)])

    def alone(self):
        """Shotlens' own benchmarks without a peer: commands by name."""
        benches = {"embed": [], "score": [], "tune": ["--search", "all"], "startup": [], "ui": []}
        return {name: ["bench", name, *args] for name, args in benches.items()}
