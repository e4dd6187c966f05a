// Receives webhooks with Go's standard library. To start it: WEBHOOK_SECRET=whsec_... PORT=8080 go run go.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

var secret = []byte(os.Getenv("WEBHOOK_SECRET")) // the whole text, whsec_ included

// The ids of events that were handled. In production, use a table's unique key, written together with the event.
var known sync.Map

// refusal returns why a request must be refused, or "". body is the bytes as they arrived.
func refusal(header http.Header, body []byte) string {
	timestamp := header.Get("X-Nano-Timestamp")
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	expected := []byte("v1=" + hex.EncodeToString(mac.Sum(nil)))
	// While a secret is being rotated, the old and the new one sign different headers. One that matches is enough.
	given := header.Get("X-Nano-Signature") + " " + header.Get("X-Nano-Signature-Next")
	for _, one := range strings.Fields(given + " " + header.Get("X-Nano-Signature-Previous")) {
		if hmac.Equal([]byte(one), expected) {
			seconds, err := strconv.ParseInt(timestamp, 10, 64)
			if age := time.Now().Unix() - seconds; err != nil || age < -300 || age > 300 {
				return "the timestamp is more than five minutes off"
			}
			return ""
		}
	}
	return "the signature does not match"
}

func receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if reason := refusal(r.Header, body); reason != "" {
		http.Error(w, reason, http.StatusUnauthorized)
		return
	}
	if _, isKnown := known.LoadOrStore(r.Header.Get("webhook-id"), true); !isKnown {
		var event struct{ Event, Task_id string }
		_ = json.Unmarshal(body, &event)
		fmt.Println(event.Event, event.Task_id) // Put it on a queue here, then answer.
	}
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	if len(secret) == 0 {
		log.Fatal("WEBHOOK_SECRET is not set")
	}
	http.HandleFunc("/webhook", receive)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
