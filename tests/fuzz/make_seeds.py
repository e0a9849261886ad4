"""Small files that fuzzing begins with: tests/fuzz/seeds/small.safetensors and small.npz.

    python tests/fuzz/make_seeds.py

Each has what its format can have, once: the smaller a file, the more of its changes are to
something that matters, and the more files are read in a second.
"""
import io
import pathlib
import zipfile

import numpy
import safetensors.torch
import torch

FOLDER = pathlib.Path(__file__).parent / "seeds"
FOLDER.mkdir(exist_ok=True)

safetensors.torch.save_file(
    {
        "a": torch.arange(3, dtype=torch.float64),
        "b": torch.arange(6, dtype=torch.float32).reshape(2, 3),
        "empty": torch.zeros(0, 8, dtype=torch.float32),
        "half": torch.zeros(1, dtype=torch.float16),
        "bytes": torch.ones(3, dtype=torch.uint8),
        "flags": torch.ones([1] * 7, dtype=torch.bool),
    },
    FOLDER / "small.safetensors",
    {"torch": torch.__version__},
)
(FOLDER / "small.safetensors").chmod(0o644)

ARRAYS = {
    "a": (numpy.arange(3, dtype="<f4"), zipfile.ZIP_STORED),
    "b": (numpy.zeros((4, 8)), zipfile.ZIP_DEFLATED),
}
with zipfile.ZipFile(FOLDER / "small.npz", "w") as archive:
    for name, (array, method) in ARRAYS.items():
        file = io.BytesIO()
        numpy.lib.format.write_array(file, array)
        archive.writestr(zipfile.ZipInfo(f"{name}.npy"), file.getvalue(), method)
    archive.writestr(zipfile.ZipInfo("note.txt"), f"numpy {numpy.__version__}")
