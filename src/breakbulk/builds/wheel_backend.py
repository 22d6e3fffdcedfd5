"""The far side of `sdists`: call a project's build back end, in the root file system of its build.

Started by the locked Python as `python3 -I backend.py requires|wheel` in the unpacked source, with nothing of Breakbulk
in sight. `requires` writes to /build/requires.json what the back end wants beyond `[build-system] requires`; `wheel`
leaves a wheel in /build/wheel. PEP 517, with the fallback of PEP 518 for projects without a `[build-system]`.
"""

import importlib
import json
import os
import sys

with open("/build/backend.json", encoding="utf-8") as file:  # noqa: PTH123 - few imports: any Python runs this
    told = json.load(file)

sys.path[:0] = [os.path.join(os.getcwd(), path) for path in told["backend-path"]]  # noqa: PTH109, PTH118
name, _, attributes = told["build-backend"].partition(":")
backend = importlib.import_module(name)
for attribute in filter(None, attributes.split(".")):
    backend = getattr(backend, attribute)

if sys.argv[1] == "requires":
    ask = getattr(backend, "get_requires_for_build_wheel", None)
    with open("/build/requires.json", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(list(ask({})) if ask else [], file)
else:
    os.mkdir("/build/wheel")  # noqa: PTH102
    backend.build_wheel("/build/wheel", {})
