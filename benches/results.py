"""Writes benches/RESULTS.md from what `./dev bench` left in a folder: one folder a run, with its command and bench.json."""

import datetime
import json
import pathlib
import statistics
import subprocess
import sys


def table(header, rows):
    widths = [max(3, *(len(row[column]) for row in [header, *rows])) for column in range(len(header))]

    def line(cells):
        return "| " + " | ".join(cell.rjust(width) for cell, width in zip(cells, widths)) + " |"

    rule = "|" + "|".join(" " + "-" * (width - 1) + ": " for width in widths) + "|"
    return "\n".join([line(header), rule, *map(line, rows)]) + "\n"


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def megabytes(value):
    return "-" if value is None else f"{value / 1e6:,.0f}"


def median(values):
    return statistics.median(values)


class Results:
    def __init__(self, folder):
        self.folder = folder

    def run(self, name):
        """The report of a run and its command, or nothing when it was not made."""
        file = self.folder / name / "bench.json"
        if not file.exists():
            return None, None
        return json.loads(file.read_text()), (self.folder / name / "command").read_text().strip()

    def runs(self, *names):
        found = [(name, *self.run(name)) for name in names]
        return [(name, report, command) for name, report, command in found if report]


def version(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "-"


def head(any_report, folder):
    machine = any_report["machine"]
    memory = machine["memory_bytes"]
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines()
    kafka = next(iter(sorted((folder.parent / "lib" / "kafka").glob("kafka_2*.jar"))), None)
    commit = version("git", "describe", "--always", "--dirty")
    rows = [
        ["processor", f"{machine['processor']}, {machine['cores']} cores"],
        ["memory", "-" if memory is None else f"{memory / 2**30:.0f} GiB"],
        ["kernel", machine["kernel"] or "-"],
        ["assize", f"{any_report['assize']}, {commit}"],
        ["librdkafka", any_report["librdkafka"]],
        ["Kafka", kafka.stem if kafka else "-"],
        ["Java", java[0] if java else "-"],
        ["Redis", version("redis-server", "--version")],
        ["Rust", version("rustc", "--version")],
        ["date", datetime.datetime.fromtimestamp(any_report["at"] / 1000, datetime.timezone.utc).strftime("%Y-%m-%d")],
    ]
    return table(["what", "which"], rows)


def drains(report):
    rows = []
    for kind, name in (("drains", "assize"), ("limits", "bare loop")):
        for index, each in enumerate(report[kind], 1):
            spent = each["spent"]
            rows.append(
                [
                    f"{name} {index}",
                    number(each["per_second"]),
                    number(spent["engine_us"], 2),
                    number(spent["broker_us"], 2),
                    number(spent["bench_us"], 2),
                    megabytes(each["memory_bytes_max"]),
                    number(each["first_verdict_seconds"], 2),
                ]
            )
    header = ["", "messages/s", "CPU us a message", "of the broker", "of load and reader", "memory MB", "first verdict s"]
    return table(header, rows)


def share_of_limit(report):
    ours = median([each["per_second"] for each in report["drains"]])
    bare = median([each["per_second"] for each in report["limits"]])
    return ours / bare


def threads(report):
    """CPU by kind of thread, of the median drain and the median bare loop."""

    def middle(runs):
        return sorted(runs, key=lambda each: each["per_second"])[len(runs) // 2]["threads_us"]

    ours, bare = middle(report["drains"]), middle(report["limits"]) if report["limits"] else {}
    kinds = sorted({*ours, *bare}, key=lambda kind: -ours.get(kind, 0))
    rows = [[kind, number(ours.get(kind), 2), number(bare.get(kind), 2)] for kind in kinds]
    rows = [row for row in rows if row[1:] not in (["0.00", "-"], ["0.00", "0.00"], ["-", "0.00"])]
    return table(["thread", "assize us a message", "bare loop us a message"], rows)


def outcomes(runs):
    """The bounds of these runs, and whether each was kept."""
    rows = [
        [command.removeprefix("assize bench "), outcome["name"], number(outcome["bound"], 2), number(outcome["found"], 2)]
        + ["kept" if outcome["kept"] else "NOT KEPT"]
        for _, report, command in runs
        for outcome in report["outcomes"]
    ]
    rows = [[row[0].split(" --p")[0].split(" --rounds")[0], *row[1:]] for row in rows]
    return table(["run", "bound", "asked", "found", ""], rows) if rows else ""


def latencies(runs):
    rows = []
    for name, report, _ in runs:
        each = report["open"]
        rows.append(
            [
                "latency" if "profile" in name else "throughput",
                number(each["rate"]),
                *(number(each[key], 1) for key in ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")),
                number(each["spent"]["engine_us"], 1),
                number(each["spent"]["broker_us"], 1),
                megabytes(each["memory_bytes_max"]),
            ]
        )
    header = ["profile", "messages/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"]
    return table([*header, "CPU us a message", "of the broker", "memory MB"], rows)


def scaling(what, runs, value):
    rows = []
    for name, report, _ in runs:
        each = report["drains"][0]
        spent = each["spent"]
        rows.append(
            [
                value(name),
                number(each["messages"]),
                number(each["per_second"]),
                number(spent["engine_us"], 2),
                number(spent["broker_us"], 2),
                megabytes(each["memory_bytes_max"]),
                number(each["first_verdict_seconds"], 2),
            ]
        )
    header = [what, "messages", "messages/s", "CPU us a message", "of the broker", "memory MB", "first verdict s"]
    return table(header, rows)


def beside(pairs):
    """Drains without and with the drift job beside the stream, and what it takes."""
    rows = []
    for index, (without, with_job) in enumerate(pairs, 1):
        without, with_job = without["drains"][0], with_job["drains"][0]
        rows.append(
            [
                str(index),
                number(without["per_second"]),
                number(with_job["per_second"]),
                f"{with_job['per_second'] / without['per_second']:.0%}",
                number(without["spent"]["engine_us"], 2),
                number(with_job["spent"]["engine_us"], 2),
                megabytes(without["memory_bytes_max"]),
                megabytes(with_job["memory_bytes_max"]),
            ]
        )
    header = ["pair", "messages/s", "with the job", "share", "CPU us a message", "with the job", "memory MB", "with the job"]
    return table(header, rows)


def last(name):
    return name.rsplit("-", 1)[1]


def cached(name):
    return f"{round((1 - float(last(name))) * 100)} %"


def main():
    results = Results(pathlib.Path(sys.argv[1]))
    notes = pathlib.Path(__file__).parent / "notes"
    any_report = next(
        (json.loads(file.read_text()) for file in sorted(results.folder.glob("*/bench.json"), reverse=True)), None
    )
    if any_report is None:
        sys.exit(f"no results in {results.folder}; ./dev bench makes them")

    def note(name):
        file = notes / f"{name}.md"
        if file.exists():
            print(file.read_text())

    def commands(runs):
        print("```sh")
        for _, _, command in runs:
            print(command)
        print("```\n")

    print("# Measured\n")
    print("`./dev bench` writes this file, from the last run of each of its parts. Broker, Redis, load, reader and engine share")
    print("the cores below. Ratios within a run mean more than figures of different days.\n")
    print(head(any_report, results.folder))
    drain, command = results.run("drain")
    if drain:
        print("## A backlog of 2,000,000 messages\n")
        commands([("drain", drain, command)])
        print(drains(drain))
        print(outcomes([("drain", drain, command)]))
        if drain["limits"]:
            print(f"Median: **{share_of_limit(drain):.0%}** of the bare loop, which consumes, hashes and produces twice the same")
            print("bytes with the same client library and settings, and judges nothing.\n")
        print("Each run: every message has one verdict. Restart with full dedup windows (250,000 keys in each of 8")
        print(f"partitions): first verdict after {drain['restart_seconds']:.2f} s.\n")
        print("![verdicts a second](throughput.svg)\n")
        print("### Where the time goes\n")
        print(threads(drain))
        note("threads")
    stages = results.folder / "stages.md"
    if stages.exists():
        print("### Pure compute, one core\n")
        print("Times by criterion, on the messages of the demo, 512 to a chunk:\n")
        print(stages.read_text())
        instructions = results.folder / "instructions.md"
        if instructions.exists():
            print("Instructions (callgrind, SHA-256 left out) and allocations:\n")
            print(instructions.read_text())
        note("stages")
    runs = results.runs(
        "latency-default-5000",
        "latency-default-20000",
        "latency-profile-100",
        "latency-profile-1000",
        "latency-profile-5000",
    )
    if runs:
        print("## Latency\n")
        print("From when a message was due to when its verdict can be read by a consumer of committed records; open loop, 30 s")
        print("after 5 s of warm-up. The profile is `stream.profile`.\n")
        commands(runs)
        print(latencies(runs))
        print(outcomes(runs))
        note("latency")
    tables = [
        ("partitions", "Partitions", [f"partitions-{n}" for n in (1, 2, 4, 8, 32)], last),
        ("processes", "Processes", ["processes-1", "processes-2"], last),
        ("code points", "Length of the texts", ["chars-50", "chars-500", "chars-10000"], last),
        ("found in the cache", "User features", [f"new-users-{share}" for share in ("1.0", "0.5", "0.05")], cached),
    ]
    if any(results.runs(*names) for _, _, names, _ in tables):
        print("## As the work grows\n")
    for what, title, names, value in tables:
        runs = results.runs(*names)
        if runs:
            print(f"### {title}\n")
            commands(runs)
            print(scaling(what, runs, value))
            note(what.replace(" ", "-"))
    pairs = [[results.run(f"drift-{job}-{n}")[0] for job in ("false", "true")] for n in range(1, 6)]
    pairs = [pair for pair in pairs if all(pair)]
    if pairs:
        print("## The drift job beside the stream\n")
        print("Drains of 2,000,000 messages in pairs, without and with `drift.enabled`. The job's threads give way to the lanes: what")
        print("it has not counted when the last verdict is out, it counts afterwards.\n")
        print(beside(pairs))
        shares = [with_job["drains"][0]["per_second"] / without["drains"][0]["per_second"] for without, with_job in pairs]
        print(f"Median: **{median(shares):.0%}** of the throughput without it.\n")
        runs = results.runs("drift-rate-false", "drift-rate-true")
        if len(runs) == 2:
            print("At 1,000 messages a second, without it and with it:\n")
            print(latencies(runs))


main()
