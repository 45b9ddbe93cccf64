"""The mails of the package's archive, one JSON object per line, in the order of their paths. Standard library only."""

import json
import sys
import tarfile


def main(archive):
    with tarfile.open(archive) as package:
        members = [m for m in package if m.isfile() and m.name.count("/") == 3 and m.name.endswith(".json")]
        for member in sorted(members, key=lambda member: member.name):
            mail = json.load(package.extractfile(member))
            print(json.dumps({"group": mail["group"], "id": mail["id"], "text": mail["text"]}))


if __name__ == "__main__":
    main(sys.argv[1])
