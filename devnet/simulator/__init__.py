"""Networks of real replicas in one process, on virtual time, links and disks: a run is a function of its seed."""
