# Receives webhooks with WEBrick (gem install webrick). To start it: WEBHOOK_SECRET=whsec_... PORT=8080 ruby ruby.rb
require 'json'
require 'openssl'
require 'set'
require 'webrick'

SECRET = ENV.fetch('WEBHOOK_SECRET') # the whole text, whsec_ included
abort 'WEBHOOK_SECRET is empty' if SECRET.empty?

# The ids of events that were handled. In production, use a table's unique key, written together with the event.
KNOWN = Set.new
LOCK = Mutex.new

# Returns why a request must be refused, or nil. `body` is the bytes as they arrived.
def refusal(request, body)
  timestamp = request['X-Nano-Timestamp'].to_s
  mac = OpenSSL::HMAC.new(SECRET, 'SHA256') << timestamp << '.' << body
  # While a secret is being rotated, the old and the new one sign different headers. One that matches is enough.
  signers = %w[X-Nano-Signature X-Nano-Signature-Next X-Nano-Signature-Previous]
  given = signers.flat_map { |name| request[name].to_s.split(' ') }
  return 'the signature does not match' if given.none? { |one| OpenSSL.secure_compare(one, "v1=#{mac.hexdigest}") }

  is_recent = timestamp.match?(/\A\d+\z/) && (Time.now.to_i - timestamp.to_i).abs <= 300
  'the timestamp is more than five minutes off' unless is_recent
end

server = WEBrick::HTTPServer.new(BindAddress: '127.0.0.1', Port: ENV.fetch('PORT'))
server.mount_proc '/webhook' do |request, response|
  body = request.body.to_s
  reason = refusal(request, body)
  if reason
    response.status = 401
    response.body = reason
  else
    if LOCK.synchronize { KNOWN.add?(request['webhook-id']) }
      event = JSON.parse(body)
      warn "#{event['event']} #{event['task_id']}" # Put it on a queue here, then answer.
    end
    response.status = 204
  end
end
trap('TERM') { server.shutdown }
server.start
