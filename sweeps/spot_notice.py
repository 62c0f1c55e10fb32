"""Waits on a spot machine until its cloud says that it will be taken away, and then tells Ray, so that trainings leave it in time.

`python -m sweeps.spot_notice` beside `ray start` (see cluster.yaml). On Kubernetes nobody needs it: there Ray hears the SIGTERM itself.

AWS: docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html, two minutes before.
GCP: cloud.google.com/compute/docs/instances/spot, half a minute before.
"""

import argparse
import subprocess
import sys
import time
import urllib.error
import urllib.request

LOOK_EVERY_S = 5.0
METADATA = "http://169.254.169.254"
"""Of AWS and of GCP alike."""
DEADLINES_S = {"aws": 120, "gcp": 30}
_TIMEOUT_S = 5.0
_TOKEN_S = "21600"


def main() -> None:
    """Ends when this machine's node is draining."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cloud", choices=sorted(DEADLINES_S))
    parser.add_argument("--metadata", default=METADATA, help="the root of the metadata server")
    words = parser.parse_args()
    is_ending = is_ending_on_aws if words.cloud == "aws" else is_ending_on_gcp
    while not is_ending(words.metadata):
        time.sleep(LOOK_EVERY_S)
    drain(DEADLINES_S[words.cloud])


def is_ending_on_aws(metadata: str) -> bool:
    """Whether the instance is marked to be stopped or ended."""
    token = _ask(f"{metadata}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_S}, method="PUT")
    return token is not None and _ask(f"{metadata}/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token}) is not None


def is_ending_on_gcp(metadata: str) -> bool:
    """Whether the instance is being preempted."""
    return _ask(f"{metadata}/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"}) == "TRUE"


def drain(deadline_s: int) -> None:
    """Marks the node of this machine: Ray places nothing more on it."""
    reason = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "the cloud reclaims this machine"]
    command = [sys.executable, "-m", "ray.scripts.scripts", "drain-node", *reason, "--deadline-remaining-seconds", str(deadline_s)]
    subprocess.run(command, check=True)


def _ask(url: str, headers: dict[str, str], method: str = "GET") -> str | None:
    """None if there is no answer, or no such thing."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method), timeout=_TIMEOUT_S) as answer:
            return str(answer.read().decode()).strip()
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return None


if __name__ == "__main__":
    main()
