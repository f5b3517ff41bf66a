"""Opening and importing the package, and reporting what was found."""

import numpy as np

from milestones.sandbox import protocol
from milestones.student.adapter import Adapter
from milestones.student.operations import COMPONENT_NAMES, NEEDED, REPORT_BYTES, Fault, Operation
from milestones.student.package import Package
from milestones.student.state import Desk
from milestones.student.values import StudentFault


class Loading(Desk):
    """Questions about the package as a whole."""

    operations = {Operation.LOAD: "load", Operation.IMPORT: "import_module", Operation.REPORT: "report"}

    def load(self, settings):
        """Open the package; nothing of it runs yet."""
        self.state.settings = settings
        package = Package(
            base=settings["base"],
            root=settings["root"],
            single=settings["single"],
            exports=settings["notebooks"] or settings["sources"],
            whole=bool(settings["notebooks"]),
            submission=settings["submission"],
            blocked=settings["blocked"],
            import_seconds=settings["import_seconds"],
        )
        if not package.order and not package.report:
            raise StudentFault(Fault.MISSING, "the notebooks hold no cells marked for export (#| export)")
        self.state.package = package
        return [protocol.text_to_array("\n".join(dotted for dotted, _ in package.order))[:REPORT_BYTES]]

    def import_module(self, settings):
        """Import one module."""
        self.state.opened().import_at(settings["module"])
        return [np.zeros(1, dtype=np.int64)]

    def report(self, settings):
        """How the imports went, and which component is which class of the student's."""
        package = self.state.opened()
        package.finish([COMPONENT_NAMES[component] for component in NEEDED])
        adapter = self.state.adapter = Adapter(package)
        rows = [*package.report, ("precision:", adapter.precision(), "")]
        for component in COMPONENT_NAMES:
            try:
                found = adapter.find(component)
                rows.append((f"component:{component}", "ok", f"{found.__module__}.{found.__qualname__}"))
            except StudentFault as fault:
                rows.append((f"component:{component}", "missing", fault.text))
        lines = ["\t".join(" ".join(str(part).split()) for part in row) for row in rows]
        # Components come first, so that they are not cut off by what a hundred broken modules have to say.
        lines.sort(key=lambda line: not line.startswith(("component:", "precision:")))
        return [protocol.text_to_array("\n".join(lines))[:REPORT_BYTES]]
