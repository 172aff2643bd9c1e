-- Sixteen requests at a time on each connection; wrk counts the responses one by one.
init = function()
   local requests = {}
   for i = 1, 16 do
      requests[i] = wrk.format("GET", wrk.path)
   end
   batch = table.concat(requests)
end

request = function()
   return batch
end
