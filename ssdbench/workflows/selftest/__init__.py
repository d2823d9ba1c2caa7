"""`ssdbench selftest`: plants faults into copies of the source, or of records, and demands that each is seen."""
