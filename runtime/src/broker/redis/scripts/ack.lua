-- ARGV: entry. Whoever has it: done is done.
return remove(ARGV[1])
