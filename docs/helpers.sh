# What the lines of these pages use. In bash, at the top of the repository: source docs/helpers.sh
API=${API:-http://127.0.0.1:${ISHOP_PORT:-8000}}

# Read one field of the JSON on standard input: field hits.0.name
field() {
  python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value[int(key)] if key.isdigit() else value[key]
print(value)' "$1"
}

# An access token of a demo account: sign_in consumer
sign_in() {
  curl -s "$API/v1/auth/token" -d grant_type=password -d "username=$1@demo.test" -d password=ishop-demo | field access_token
}
