"""Whether a run made again what is committed: the same digest, else measures that differ by no more than is stated."""

import json
import subprocess

# Of each measure. Other processors and libraries sum in another order; that moves a few texts over a threshold.
DIFFERS_MAX = 0.01


def committed(root, name):
    """What training/results/ held of it at the last commit; None if nothing, or without git."""
    command = ["git", "-C", str(root), "show", f"HEAD:training/results/{name}.json"]
    try:
        shown = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return json.loads(shown)


def report(before, after):
    """[lines to print], and whether this is what was committed or as good as that."""
    if before is None:
        return ["nothing of it is committed: nothing to compare with"], True
    if before.get("digest") == after["digest"]:
        return ["the committed digest is reproduced"], True
    pairs = {name: (before["ours"].get(name, [float("nan")])[0], values[0]) for name, values in after["ours"].items()}
    as_good = all(abs(now - was) <= DIFFERS_MAX for was, now in pairs.values())
    lines = [f"another digest: committed {before.get('digest', 'none')}, now {after['digest']}"]
    lines += [f"  {name}: committed {was:.5f}, now {now:.5f}" for name, (was, now) in pairs.items()]
    verdict = "every measure is" if as_good else "not every measure is"
    return [*lines, f"{verdict} within {DIFFERS_MAX} of the committed one"], as_good
