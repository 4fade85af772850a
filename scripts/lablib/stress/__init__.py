"""The stress test: clients that log what they were told, faults at random, checks of the logs."""
