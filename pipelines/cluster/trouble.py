"""The trouble of a job with its cluster."""

__all__ = ["ClusterFailed"]


class ClusterFailed(Exception):
    """A cluster is not reached, or does not run the job to its end; the text says what to do.

    `cause` is what the cluster said of it, as text: tracebacks of Java and of Python's workers.
    """

    def __init__(self, text: str, cause: str = ""):
        """Store both."""
        super().__init__(text)
        self.cause = cause
