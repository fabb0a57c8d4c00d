"""Official rows to samples to shards: one small file per dataset, and what they share.

NAME       the builder of the dataset NAME: a function from official files to rows
all        the table of all builders; not in this file, since importing them would cost `ib-data list` 15 of 75 ms
formats/   file formats that several datasets share
source/    official bytes to rows: search, download, read
write/     rows to shards
miniature/ the drawn miniature, in the official formats
"""
