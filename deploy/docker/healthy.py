#!/opt/fixfeed/bin/python
"""Ends with 0 if a URL is answered with success, else with 1: `healthy http://127.0.0.1:8080/ready`.

For health checks of containers; the image has neither curl nor wget.
"""

import sys
import urllib.error
import urllib.request

# Whatever variables of the environment say of proxies, this is the container itself.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

try:
    with _DIRECT.open(sys.argv[1], timeout=5) as answer:
        print(answer.read(1000).decode(errors="replace"))
except urllib.error.HTTPError as error:
    sys.exit(f"{error}: {error.read(1000).decode(errors='replace')}")
except OSError as error:
    sys.exit(str(error))
