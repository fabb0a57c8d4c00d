"""Fetching over HTTP.

get           one polite GET with limits
download      a URL into a file, with resume; partial_file: the version record of an unfinished file
fetcher       official files: cached, from a mirror, or from their URL
arrival       verifies a fetched file; checksum_record: its checksum, kept beside it
crawl         single images by URL, many at a time; crawl_threads: scheduling by host
crawl_record  the result of each URL
placeholders  equal bytes under different URLs
hub           rows from a Hugging Face mirror
"""
