-- Asks gateway-auth about a request: lets it pass with the identity in its headers, or answers with the refusal.
-- Whatever goes wrong here refuses the request.

local QUESTION = "http://127.0.0.1:8080/.gateway/authorize"
local TIMEOUT_MS = 5000

-- What goes on as the gateway says and in no other way. Name every header of api_keys.headers.
local REPLACED = {
  "authorization", "x-api-key",
  "x-auth-subject", "x-auth-app", "x-auth-key-id", "x-auth-scopes", "x-auth-roles", "x-auth-method", "x-request-id",
}
local TOLD = { "cache-control", "content-type", "ratelimit", "ratelimit-policy", "retry-after", "www-authenticate", "x-request-id" }
local SHOWN = {
  ["x-request-id"] = "txn.gateway_request_id",
  ["ratelimit"] = "txn.gateway_limit",
  ["ratelimit-policy"] = "txn.gateway_limit_policy",
}
-- The connection's own, and what no question has: a body.
local UNASKED = {
  ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true,
}
local UNAVAILABLE = '{"type":"urn:gateway-auth:problem:dependency_unavailable","title":"Dependency unavailable",' ..
  '"status":503,"detail":"The credential cannot be checked right now; try again after Retry-After.",' ..
  '"code":"dependency_unavailable","request_id":""}'

-- The values of one header, in order; HAProxy counts them from 0.
local function values(headers, name)
  local found, list = headers[name], {}
  if found == nil then return list end
  local index = found[0] ~= nil and 0 or 1
  while found[index] ~= nil do
    list[#list + 1] = found[index]
    index = index + 1
  end
  return list
end

local function question_headers(txn)
  local asked = {}
  local headers = txn.http:req_get_headers()
  for name, _ in pairs(headers) do
    if not UNASKED[name] then asked[name] = values(headers, name) end
  end
  asked["x-original-method"] = { txn.sf:method() }
  asked["x-original-uri"] = { txn.sf:url() }
  asked["x-forwarded-for"] = { txn.sf:src() }
  asked["x-forwarded-proto"] = { txn.sf:ssl_fc() == 1 and "https" or "http" }
  return asked
end

local function refuse(txn, status, headers, body)
  local reply = txn:reply({ status = status })
  for name, list in pairs(headers) do
    for _, value in ipairs(list) do reply:add_header(name, value) end
  end
  reply:set_body(body)
  txn:done(reply)
end

-- What came of the question: nothing to add where the request may pass, else the refusal.
local function authorize(txn)
  local answer = core.httpclient():get({ url = QUESTION, headers = question_headers(txn), timeout = TIMEOUT_MS })
  local status = answer and answer.status or 0
  if status == 200 then
    for _, name in ipairs(REPLACED) do
      txn.http:req_del_header(name)
      for _, value in ipairs(values(answer.headers, name)) do txn.http:req_add_header(name, value) end
    end
    for name, variable in pairs(SHOWN) do
      local value = values(answer.headers, name)[1]
      if value then txn:set_var(variable, value) end
    end
    return { passes = true }
  end
  if status == 400 or status == 401 or status == 403 or status == 429 or status == 503 then
    local told = {}
    for _, name in ipairs(TOLD) do told[name] = values(answer.headers, name) end
    if told["content-type"][1] == "application/problem+json" then
      return { status = status, headers = told, body = answer.body or "" }
    end
  end
  return {
    status = 503,
    headers = {
      ["content-type"] = { "application/problem+json" }, ["cache-control"] = { "no-store" }, ["retry-after"] = { "1" },
    },
    body = UNAVAILABLE,
  }
end

-- txn:done ends the script by an error of its own, so it must stand outside of pcall.
core.register_action("authorize", { "http-req" }, function(txn)
  local ok, result = pcall(authorize, txn)
  if not ok then
    core.Alert("authorize.lua: " .. tostring(result))
    refuse(txn, 503, { ["content-type"] = { "application/problem+json" }, ["retry-after"] = { "1" } }, UNAVAILABLE)
  elseif not result.passes then
    refuse(txn, result.status, result.headers, result.body)
  end
end, 0)
