"""Unpacks the members of a wheel whose whole name matches a pattern; zipfile checks each one's CRC.

usage: python3 unpack-wheel.py WHEEL FOLDER PATTERN
"""

import re
import sys
import zipfile

wheel, folder, pattern = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    members = [name for name in archive.namelist() if re.fullmatch(pattern, name)]
    for name in members:
        archive.extract(name, folder)
print(len(members))
