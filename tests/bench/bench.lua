-- What wrk sends and how it reports; bench.py says which by the environment:
--   BENCH_KIND  hello: GET /; get: GET BENCH_PATH; fixed: one body again and again; ranges: a body whose dates are new in
--               each request; events: BENCH_BATCH events (one) with new ids in each request
--   BENCH_TOKEN, BENCH_PATH, BENCH_BODY (fixed, ranges), BENCH_EVENTS (file), BENCH_FIRST (a number:
--               requests count on from it, so that no two runs send the same)
-- Prints one line of JSON that days with `result `.

local kind = os.getenv("BENCH_KIND")
local first = tonumber(os.getenv("BENCH_FIRST") or "0")
local path = os.getenv("BENCH_PATH")
local headers = {["Content-Type"] = "application/json",
                 ["Authorization"] = "Bearer " .. (os.getenv("BENCH_TOKEN") or "")}
local batch = tonumber(os.getenv("BENCH_BATCH") or "1")
local sent = 0

local function read_events()
	local ready = {}
	for line in io.lines(os.getenv("BENCH_EVENTS")) do
		local text = batch > 1 and line or wrk.format("POST", path, headers, line)
		local from, to = text:find("@ID@@@@@@@@@@@@@@@@@@@@@@@", 1, true)
		ready[#ready + 1] = {text:sub(1, from - 1), text:sub(to + 1)}
	end
	return ready
end

local requests = {
	get = function()
		local text = wrk.format("GET", path, headers)
		return function() return text end
	end,

	fixed = function()
		local text = wrk.format("POST", path, headers, os.getenv("BENCH_BODY"))
		return function() return text end
	end,

	-- @FROM@ and @TO@: windows of 30 to 149 days that start in the BENCH_DAYS days from BENCH_DAY
	-- (days since 1970), each once
	ranges = function()
		local body, days = os.getenv("BENCH_BODY"), tonumber(os.getenv("BENCH_DAYS"))
		local day = tonumber(os.getenv("BENCH_DAY"))
		local date = {}
		for i = 0, days + 150 do date[i] = os.date("!%Y-%m-%d", (day + i) * 86400) end
		return function()
			local n = first + sent
			local from = n % days
			local to = from + 29 + math.floor(n / days) % 120
			sent = sent + 1
			return wrk.format("POST", path, headers,
			                  (body:gsub("@FROM@", date[from]):gsub("@TO@", date[to])))
		end
	end,

	-- an id is a ULID: 10 digits of time, then here a decimal number
	events = function()
		local ready, time = read_events(), os.getenv("BENCH_ULID_TIME")
		local function next_event()
			sent = sent + 1
			local event = ready[sent % #ready + 1]
			return event[1] .. time .. string.format("%016d", first + sent) .. event[2]
		end
		if batch == 1 then return next_event end
		headers["Content-Type"] = "application/x-ndjson"
		return function()
			local lines = {}
			for i = 1, batch do lines[i] = next_event() end
			return wrk.format("POST", path, headers, table.concat(lines, "\n"))
		end
	end,
}

function init()
	if requests[kind] then request = requests[kind]() end
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'result {"requests":%d,"seconds":%.3f,"refused":%d,"broken":%d,' ..
		'"p50":%.3f,"p95":%.3f,"p99":%.3f}\n',
		summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
		latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
