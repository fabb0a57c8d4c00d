"""Fetching over HTTP.

get           one polite GET with limits
download      a body into a file, resumed where it broke off; partial_file: what is kept beside an unfinished file
fetcher       official files: cached, from a mirror, or from their URL
arrival       whether a file that arrived is the right one; checksum_record: its checksum, kept beside it
crawl         single images by URL, many at a time; crawl_threads: who asks which host when
crawl_record  what became of each URL
placeholders  equal bytes under different URLs
hub           rows from a Hugging Face mirror
"""
