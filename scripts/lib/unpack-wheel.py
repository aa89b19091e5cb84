"""Unpacks the members of a wheel whose whole name matches a pattern; zipfile checks each one's CRC.

Programs stay executable, which zipfile alone forgets.

usage: python3 unpack-wheel.py WHEEL FOLDER PATTERN
"""

import os
import re
import sys
import zipfile

wheel, folder, pattern = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    members = [name for name in archive.namelist() if re.fullmatch(pattern, name)]
    for name in members:
        path = archive.extract(name, folder)
        if archive.getinfo(name).external_attr >> 16 & 0o100 and os.path.isfile(path):
            os.chmod(path, 0o755)
print(len(members))
