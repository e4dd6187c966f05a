// The console in German. Each key is an English text of the console's modules, in the order in which they have it; a
// long text is one line. `{0}` is the place of a value, which may stand elsewhere in the German sentence.
//
// Formal address: Sie. Quotation marks: „…“. Short sentences. Always the same word for the same thing:
//
//   answer             Antwort                     key (API key)    Schlüssel (API-Schlüssel)
//   attempt            Versuch                     notify           benachrichtigen
//   cancelled          abgebrochen                 pending          ausstehend
//   circuit, down      ausgefallen                 probe            prüfen, Prüfung
//   delivery           Zustellung                  rehearsal        Probelauf
//   disable, enable    deaktivieren, aktivieren    request          Anfrage
//   endpoint           Endpunkt                    resend           erneut senden
//   erase              unwiderruflich löschen      retry            erneut versuchen, wiederholen
//   event              Ereignis                    rotate (secret)  wechseln
//   failed             fehlgeschlagen              secret           Geheimnis, Signaturgeheimnis
//   held               zurückgehalten              signature        Signatur
//   history            Verlauf                     switch           umschalten
//   missed             verpasst                    task             Aufgabe
//   operator           Betreiber                   timestamp        Zeitstempel
//
// Header, Body, Payload, Webhook, Tab and the names of headers and fields stay as they are.

export const TEXTS = {
  'Last 24 hours':
    'Letzte 24 Stunden',
  'Last 7 days':
    'Letzte 7 Tage',
  'Period':
    'Zeitraum',
  'Loading …':
    'Wird geladen …',
  'The charts cannot be shown. {0}':
    'Die Diagramme können nicht angezeigt werden. {0}',
  'Activity':
    'Aktivität',
  'The service answered {0}.':
    'Der Dienst hat mit {0} geantwortet.',
  'The service could not be reached.':
    'Der Dienst war nicht erreichbar.',
  'This key is not valid any more. Sign in with another one.':
    'Dieser Schlüssel ist nicht mehr gültig. Melden Sie sich mit einem anderen an.',
  'You have signed out in another tab.':
    'Sie haben sich in einem anderen Tab abgemeldet.',
  'Skip to the content':
    'Zum Inhalt springen',
  'There is no such page.':
    'Diese Seite gibt es nicht.',
  'The console made a mistake.':
    'Die Konsole hat einen Fehler gemacht.',
  'Too many requests with this key':
    'Zu viele Anfragen mit diesem Schlüssel',
  'The console goes on by itself at {0}. Your programs share the limit if they use the same key.':
    'Die Konsole macht um {0} von selbst weiter. Ihre Programme teilen sich das Limit mit ihr, wenn sie denselben Schlüssel verwenden.',
  'The request’s id, for support: {0}':
    'Die ID der Anfrage, für den Support: {0}',
  'No connection to the service':
    'Keine Verbindung zum Dienst',
  'The service has a problem':
    'Der Dienst hat ein Problem',
  'Try again':
    'Noch einmal versuchen',
  'Not here':
    'Nicht gefunden',
  'All webhooks':
    'Alle Webhooks',
  'Main':
    'Hauptmenü',
  'Webhooks':
    'Webhooks',
  'Events':
    'Ereignisse',
  'Signature checker':
    'Signaturprüfung',
  'API':
    'API',
  'Read only':
    'Nur lesen',
  'The key of this tab':
    'Der Schlüssel dieses Tabs',
  'Sign out':
    'Abmelden',
  'Attempts':
    'Versuche',
  'None was made.':
    'Es gab keinen Versuch.',
  'Attempt {0}':
    'Versuch {0}',
  'The connection was an old one and had died, so the request was sent a second time. You may have received it twice.':
    'Die Verbindung war alt und abgebrochen, deshalb wurde die Anfrage ein zweites Mal gesendet. Vielleicht haben Sie sie doppelt erhalten.',
  'Response':
    'Antwort',
  'Headers, had they been sent':
    'Header, wenn sie gesendet worden wären',
  'Headers':
    'Header',
  'No answer came.':
    'Es kam keine Antwort.',
  '{0}, with an empty body.':
    '{0}, mit leerem Body.',
  'Response body':
    'Body der Antwort',
  'Check the signature':
    'Signatur prüfen',
  'While the secret is being rotated, there is also X-Nano-Signature-Next or X-Nano-Signature-Previous, and one more value in webhook-signature. The history does not keep headers: User-Agent is the current version’s.':
    'Während das Geheimnis gewechselt wird, gibt es zusätzlich X-Nano-Signature-Next oder X-Nano-Signature-Previous und einen weiteren Wert in webhook-signature. Der Verlauf speichert keine Header: User-Agent ist der der aktuellen Version.',
  '{0} that your server computed for this attempt.':
    '{0}, die Ihr Server für diesen Versuch berechnet hat.',
  'compute it':
    'berechnen',
  'Compute the signatures':
    'Signaturen berechnen',
  'Signing secret':
    'Signaturgeheimnis',
  'It cannot be read from here. Paste yours: the signatures are computed in this tab, and it is sent nowhere and not kept.':
    'Es kann von hier nicht gelesen werden. Fügen Sie Ihres ein: Die Signaturen werden in diesem Tab berechnet, das Geheimnis wird nirgendwohin gesendet und nicht gespeichert.',
  'Cancel':
    'Abbrechen',
  'Compute':
    'Berechnen',
  '{0}: nothing in this time':
    '{0}: nichts in diesem Zeitraum',
  '{0}. {1}. The arrow keys go through the hours.':
    '{0}. {1}. Mit den Pfeiltasten gehen Sie durch die Stunden.',
  'Nothing in this time. What happens is counted within a minute or two.':
    'Nichts in diesem Zeitraum. Was geschieht, wird nach ein bis zwei Minuten gezählt.',
  'Deliveries and failures per hour':
    'Zustellungen und Fehlschläge pro Stunde',
  'Failed attempts':
    'Fehlgeschlagene Versuche',
  'Delivered':
    'Zugestellt',
  'Total':
    'Insgesamt',
  'Response time of answers':
    'Antwortzeit',
  '95 % within':
    '95 % innerhalb von',
  'Median':
    'Median',
  'Failed: {0}':
    'Fehlgeschlagen: {0}',
  'Delivery id':
    'ID der Zustellung',
  'The header webhook-id.':
    'Der Header webhook-id.',
  'Your server says no to a signature? Paste what it worked with, and see what went wrong. All of it stays in this tab.':
    'Ihr Server lehnt eine Signatur ab? Fügen Sie ein, womit er gerechnet hat, und sehen Sie, was nicht stimmt. Alles bleibt in diesem Tab.',
  'Header':
    'Header',
  'Body':
    'Body',
  'As it arrived, before anything parsed it.':
    'So, wie er ankam, bevor ihn etwas geparst hat.',
  'Timestamp':
    'Zeitstempel',
  'The header X-Nano-Timestamp (webhook-timestamp has the same value).':
    'Der Header X-Nano-Timestamp (webhook-timestamp hat denselben Wert).',
  'It may have been another secret: an old one, or another webhook’s':
    'Vielleicht war es ein anderes Geheimnis: ein altes oder das eines anderen Webhooks',
  'The other secret':
    'Das andere Geheimnis',
  'The signature that you computed':
    'Die Signatur, die Sie berechnet haben',
  'Or the one that arrived.':
    'Oder die, die ankam.',
  'Headers, an empty line and the body, as a log or a tunnel shows them. The fields take what they need.':
    'Header, eine leere Zeile und der Body, wie ein Log oder ein Tunnel sie zeigt. Die Felder übernehmen, was sie brauchen.',
  'Paste the whole request':
    'Ganze Anfrage einfügen',
  'Request':
    'Anfrage',
  'the body':
    'der Body',
  'the timestamp':
    'der Zeitstempel',
  'the delivery’s id':
    'die ID der Zustellung',
  'the secret':
    'das Geheimnis',
  'the signature':
    'die Signatur',
  'Result':
    'Ergebnis',
  'Still missing: {0}.':
    'Es fehlt noch: {0}.',
  'The signature is right':
    'Die Signatur ist richtig',
  'The signature is wrong, and this is why':
    'Die Signatur ist falsch, und das ist der Grund',
  'The signature is wrong':
    'Die Signatur ist falsch',
  '{0} should be':
    '{0} müsste so lauten',
  'A held delivery waits because your endpoint does not answer, or because the webhook is disabled. It is sent by itself when your endpoint answers again or you enable the webhook.':
    'Eine zurückgehaltene Zustellung wartet, weil Ihr Endpunkt nicht antwortet oder weil der Webhook deaktiviert ist. Sie wird von selbst gesendet, wenn Ihr Endpunkt wieder antwortet oder Sie den Webhook aktivieren.',
  'Deliveries':
    'Zustellungen',
  'Resend a time range':
    'Zeitraum erneut senden',
  'Search':
    'Suchen',
  'Show':
    'Anzeigen',
  'All':
    'Alle',
  'Status':
    'Status',
  'Event':
    'Ereignis',
  'Task':
    'Aufgabe',
  'Last answer':
    'Letzte Antwort',
  'Task ended ({0})':
    'Aufgabe beendet ({0})',
  'No delivery matches.':
    'Keine Zustellung passt zur Suche.',
  'No delivery is {0} at the moment.':
    'Zurzeit gibt es keine Zustellung mit dem Status „{0}“.',
  'Nothing yet. Send a test event above, or wait for a task to finish: a delivery appears with its first attempt.':
    'Noch nichts. Senden Sie oben ein Testereignis, oder warten Sie, bis eine Aufgabe endet: Eine Zustellung erscheint mit ihrem ersten Versuch.',
  'Delivery {0}':
    'Zustellung {0}',
  'Webhook {0}':
    'Webhook {0}',
  'Delivery':
    'Zustellung',
  'Copy id':
    'ID kopieren',
  'Task ended {0}':
    'Aufgabe beendet: {0}',
  'Task {0}':
    'Aufgabe {0}',
  'Its event, and all webhooks':
    'Das Ereignis und alle Webhooks',
  'Sent to the URL that the job named: {0}':
    'Gesendet an die URL, die der Auftrag nannte: {0}',
  'Next attempt at {0}':
    'Nächster Versuch: {0}',
  'Send again':
    'Erneut senden',
  'Retry now':
    'Jetzt erneut versuchen',
  'The webhook was deleted.':
    'Der Webhook wurde gelöscht.',
  'Without its payload it cannot be sent again.':
    'Ohne ihren Payload kann sie nicht erneut gesendet werden.',
  'its webhook':
    'den Webhook',
  'To send it again, first enable {0}.':
    'Um sie erneut zu senden, aktivieren Sie zuerst {0}.',
  'The webhook was deleted while it waited, so it is not sent any more.':
    'Der Webhook wurde gelöscht, während sie wartete. Sie wird nicht mehr gesendet.',
  'It waits because the webhook is disabled, and is sent by itself when you enable it.':
    'Sie wartet, weil der Webhook deaktiviert ist, und wird von selbst gesendet, wenn Sie ihn aktivieren.',
  'It waits until your endpoint answers again, and is sent by itself then. “Retry now” tries it at once.':
    'Sie wartet, bis Ihr Endpunkt wieder antwortet, und wird dann von selbst gesendet. „Jetzt erneut versuchen“ versucht es sofort.',
  '{0}: “{1}”.':
    '{0}: „{1}“.',
  'Check this signature':
    'Diese Signatur prüfen',
  'Queued …':
    'In der Warteschlange …',
  'Queued':
    'In der Warteschlange',
  'No attempt came so far. Look again in a while.':
    'Bisher kam kein Versuch. Sehen Sie später noch einmal nach.',
  'The delivery is {0}':
    'Status der Zustellung: {0}',
  'Save the signing secret':
    'Speichern Sie das Signaturgeheimnis',
  'Your server needs it to check that a delivery comes from us.':
    'Ihr Server braucht es, um zu prüfen, dass eine Zustellung von uns kommt.',
  '{0} and cannot be read again, only replaced.':
    '{0} und kann nicht noch einmal gelesen, nur ersetzt werden.',
  'It is shown this once':
    'Es wird nur dieses eine Mal angezeigt',
  'Copy':
    'Kopieren',
  'Copy as a line of .env':
    'Als Zeile für .env kopieren',
  'I have saved it':
    'Ich habe es gespeichert',
  'Too many requests with this key. Try again at {0}.':
    'Zu viele Anfragen mit diesem Schlüssel. Versuchen Sie es um {0} noch einmal.',
  'Opens in a new tab':
    'Öffnet einen neuen Tab',
  'the invisible character U+{0}':
    'das unsichtbare Zeichen U+{0}',
  'Copied':
    'Kopiert',
  'Not allowed: select the text instead':
    'Nicht erlaubt: Markieren Sie stattdessen den Text',
  '{0} (shown in {1})':
    '{0} (angezeigt in {1})',
  '{0} days':
    '{0} Tage',
  'Headers and pace':
    'Header und Tempo',
  'Requests per minute, at most':
    'Höchstzahl der Anfragen pro Minute',
  'Empty: no limit. Events beyond it wait, and are sent at this pace.':
    'Leer: kein Limit. Ereignisse darüber hinaus warten und werden in diesem Tempo gesendet.',
  'Request headers':
    'Header der Anfragen',
  'One per line, such as the key of your API gateway. Nobody can read their values here again.':
    'Einer pro Zeile, zum Beispiel der Schlüssel Ihres API-Gateways. Ihre Werte kann hier niemand wieder lesen.',
  'Set now: {0}. What you enter here replaces all of them.':
    'Zurzeit gesetzt: {0}. Was Sie hier eingeben, ersetzt alle.',
  'Remove all headers':
    'Alle Header entfernen',
  'A task finished, and its result is in the payload.':
    'Eine Aufgabe wurde abgeschlossen, ihr Ergebnis steht im Payload.',
  'A task failed, and the payload says why.':
    'Eine Aufgabe ist fehlgeschlagen, der Grund steht im Payload.',
  'Every event, also those that are added later.':
    'Alle Ereignisse, auch die, die später hinzukommen.',
  'Save':
    'Speichern',
  'Add webhook':
    'Webhook hinzufügen',
  'Edit webhook':
    'Webhook bearbeiten',
  'Endpoint URL':
    'URL des Endpunkts',
  'https, and reachable from the internet.':
    'https, und aus dem Internet erreichbar.',
  'Task types':
    'Aufgabentypen',
  'Separated by commas. Empty: tasks of all types.':
    'Durch Kommas getrennt. Leer: Aufgaben aller Typen.',
  'Description':
    'Beschreibung',
  'For yourself: what this endpoint is for.':
    'Für Sie selbst: wozu dieser Endpunkt da ist.',
  'Use a secret of my own':
    'Ein eigenes Geheimnis verwenden',
  '8 to 256 characters without spaces. Leave it empty and a strong one is made for you.':
    '8 bis 256 Zeichen ohne Leerzeichen. Lassen Sie es leer, und es wird ein starkes für Sie erzeugt.',
  'Enter the URL of your endpoint.':
    'Geben Sie die URL Ihres Endpunkts ein.',
  'Choose at least one event.':
    'Wählen Sie mindestens ein Ereignis.',
  'Saved':
    'Gespeichert',
  'Webhook added':
    'Webhook hinzugefügt',
  'Event {0}':
    'Ereignis {0}',
  'Erase':
    'Unwiderruflich löschen',
  'Copy as curl':
    'Als curl kopieren',
  '{0} at {1}. It is not sent any more.':
    '{0}: {1}. Es wird nicht mehr gesendet.',
  'Erased':
    'Unwiderruflich gelöscht',
  'What remains:':
    'Was bleibt:',
  '1 attempt.':
    '1 Versuch.',
  '{0} attempts.':
    '{0} Versuche.',
  'Next attempt at {0}.':
    'Nächster Versuch: {0}.',
  'Open the delivery':
    'Zustellung öffnen',
  'Send':
    'Senden',
  'Send to webhook {0}':
    'Senden an Webhook {0}',
  'Send again to webhook {0}':
    'Erneut senden an Webhook {0}',
  'Webhook {0}: {1}':
    'Webhook {0}: {1}',
  'Erase this event?':
    'Dieses Ereignis unwiderruflich löschen?',
  'Its payload is removed everywhere it is kept, with what your endpoints answered, and a delivery that waits is cancelled. This cannot be undone.':
    'Sein Payload wird überall entfernt, wo er gespeichert ist, mit den Antworten Ihrer Endpunkte, und eine wartende Zustellung wird abgebrochen. Das kann nicht rückgängig gemacht werden.',
  'What remains: the event itself, with its task’s id, its times and states; what your endpoints got already; and, for up to five weeks, backups of the service. This page then says what else remains, and until when.':
    'Was bleibt: das Ereignis selbst, mit der ID seiner Aufgabe, seinen Zeiten und seinem Status; was Ihre Endpunkte schon erhalten haben; und bis zu fünf Wochen lang Backups des Dienstes. Diese Seite zeigt danach, was sonst noch bleibt und wie lange.',
  'Every task that finished, sent or not.':
    'Alle beendeten Aufgaben, gesendet oder nicht.',
  'Any':
    'Alle',
  'Not delivered anywhere':
    'Nirgends zugestellt',
  'No event matches.':
    'Kein Ereignis passt zur Suche.',
  'Nothing yet. When a task finishes, its event appears here, whether a webhook is there or not.':
    'Noch nichts. Wenn eine Aufgabe endet, erscheint hier ihr Ereignis, ob es einen Webhook gibt oder nicht.',
  'another answer than 2xx':
    'andere Antwort als 2xx',
  'no answer in time':
    'keine Antwort in der Frist',
  'no connection':
    'keine Verbindung',
  'no TLS session':
    'keine TLS-Sitzung',
  'host name not found':
    'Hostname nicht gefunden',
  'connection lost':
    'Verbindung abgebrochen',
  'answer too large':
    'Antwort zu groß',
  'not allowed to be called':
    'darf nicht aufgerufen werden',
  'timeout':
    'Timeout',
  'connect':
    'Verbindung',
  'interrupted':
    'unterbrochen',
  'too large':
    'zu groß',
  'blocked':
    'gesperrt',
  'delivered':
    'zugestellt',
  'retrying':
    'wird wiederholt',
  'held':
    'zurückgehalten',
  'failed':
    'fehlgeschlagen',
  'cancelled':
    'abgebrochen',
  'pending':
    'ausstehend',
  'not sent':
    'nicht gesendet',
  'missed':
    'verpasst',
  'It was cancelled because the event was erased before its next attempt.':
    'Sie wurde abgebrochen, weil das Ereignis vor ihrem nächsten Versuch unwiderruflich gelöscht wurde.',
  'It was cancelled because the time for which its event is kept was over before its next attempt.':
    'Sie wurde abgebrochen, weil die Aufbewahrungszeit ihres Ereignisses vor ihrem nächsten Versuch abgelaufen war.',
  'It was cancelled because the webhook was deleted before its next attempt.':
    'Sie wurde abgebrochen, weil der Webhook vor ihrem nächsten Versuch gelöscht wurde.',
  'It was cancelled because the event was erased before it could be sent.':
    'Sie wurde abgebrochen, weil das Ereignis unwiderruflich gelöscht wurde, bevor sie gesendet werden konnte.',
  'It was cancelled because the time for which its event is kept was over before it could be sent.':
    'Sie wurde abgebrochen, weil die Aufbewahrungszeit ihres Ereignisses abgelaufen war, bevor sie gesendet werden konnte.',
  'It was cancelled because the webhook was deleted before it could be sent.':
    'Sie wurde abgebrochen, weil der Webhook gelöscht wurde, bevor sie gesendet werden konnte.',
  'Your endpoint has {0} seconds. Answer 2xx first, and do the work afterwards.':
    'Ihr Endpunkt hat {0} Sekunden Zeit. Antworten Sie zuerst mit 2xx, und erledigen Sie die Arbeit danach.',
  'Look into your server’s log at the time of the attempt.':
    'Sehen Sie im Log Ihres Servers zur Zeit des Versuchs nach.',
  'Nothing was sent. Webhooks go to public addresses only; edit the webhook and give it a URL that the internet can reach.':
    'Es wurde nichts gesendet. Webhooks gehen nur an öffentliche Adressen; bearbeiten Sie den Webhook, und geben Sie ihm eine URL, die aus dem Internet erreichbar ist.',
  'Check the host name for a typing error, and that its DNS record is public.':
    'Prüfen Sie, ob der Hostname einen Tippfehler hat und ob sein DNS-Eintrag öffentlich ist.',
  'Nothing takes connections at this address and port, or a firewall is in between. Is the server running, and reachable from the internet?':
    'Unter dieser Adresse und diesem Port nimmt nichts Verbindungen an, oder eine Firewall steht dazwischen. Läuft der Server, und ist er aus dem Internet erreichbar?',
  'The connection stood, but its certificate was not accepted. It has to be valid, name this host, and come with its intermediate certificates.':
    'Die Verbindung stand, aber das Zertifikat wurde nicht akzeptiert. Es muss gültig sein, diesen Host nennen und mit seinen Zwischenzertifikaten kommen.',
  'Your server, or a proxy in front of it, closed the connection or did not speak HTTP. Its log should have an error at the time of the attempt.':
    'Ihr Server oder ein Proxy davor hat die Verbindung geschlossen oder kein HTTP gesprochen. In seinem Log müsste zur Zeit des Versuchs ein Fehler stehen.',
  'Headers may have 16 KiB together. Something in front of your server may add many of them.':
    'Header dürfen zusammen 16 KiB groß sein. Vielleicht fügt etwas vor Ihrem Server viele hinzu.',
  'Redirects are not followed. Edit the webhook and give it the URL that yours redirects to.':
    'Weiterleitungen wird nicht gefolgt. Bearbeiten Sie den Webhook, und geben Sie ihm die URL, auf die Ihre weiterleitet.',
  'Your server did not like the request. If it checks the signature, see below whether that is why.':
    'Ihr Server hat die Anfrage beanstandet. Falls er die Signatur prüft, sehen Sie unten, ob es daran liegt.',
  'If your server checks the signature, it found another one than ours: see below which mistake that is. If it wants a login, let this path through: deliveries carry a signature and no login.':
    'Falls Ihr Server die Signatur prüft, hat er eine andere als unsere berechnet: Sehen Sie unten, welcher Fehler das ist. Falls er eine Anmeldung verlangt, lassen Sie diesen Pfad durch: Zustellungen haben eine Signatur und keine Anmeldung.',
  'Your server has nothing under this path. Check the URL for a typing error, and that the route is deployed.':
    'Ihr Server hat nichts unter diesem Pfad. Prüfen Sie, ob die URL einen Tippfehler hat und ob die Route deployt ist.',
  'Your server does not take POST under this path.':
    'Ihr Server nimmt unter diesem Pfad kein POST an.',
  'Your server, or a proxy in front of it, was too slow. Answer 2xx first, and do the work afterwards.':
    'Ihr Server oder ein Proxy davor war zu langsam. Antworten Sie zuerst mit 2xx, und erledigen Sie die Arbeit danach.',
  'Gone means “never again”: the webhook was disabled at once. Enable it when your endpoint is back.':
    'Gone bedeutet „nie wieder“: Der Webhook wurde sofort deaktiviert. Aktivieren Sie ihn, wenn Ihr Endpunkt wieder da ist.',
  'Your server takes smaller bodies than this one. Payloads can have up to 256 KiB.':
    'Ihr Server nimmt nur kleinere Bodys an. Payloads können bis zu 256 KiB groß sein.',
  'Your server does not take Content-Type: application/json under this path.':
    'Ihr Server nimmt unter diesem Pfad kein Content-Type: application/json an.',
  'Your server asked for fewer requests. A Retry-After header is heeded.':
    'Ihr Server hat um weniger Anfragen gebeten. Ein Header Retry-After wird beachtet.',
  'Your server failed. Its log should have an error at the time of the attempt.':
    'Ihr Server hatte einen Fehler. In seinem Log müsste zur Zeit des Versuchs ein Fehler stehen.',
  'Only a status from 200 to 299 counts as delivered.':
    'Nur ein Status von 200 bis 299 zählt als zugestellt.',
  'Compute it over the bytes of the request as they arrived, before any framework parses them.':
    'Berechnen Sie sie über die Bytes der Anfrage, wie sie ankamen, bevor ein Framework sie parst.',
  'Take the value of the header as it is: Unix seconds, ten digits.':
    'Nehmen Sie den Wert des Headers, wie er ist: Unix-Sekunden, zehn Ziffern.',
  'The body was re-serialised':
    'Der Body wurde neu serialisiert',
  'The signature is right for this JSON written without spaces, and your body has other white space or escapes. {0}':
    'Die Signatur ist richtig für dieses JSON ohne Leerzeichen, und Ihr Body hat andere Leerzeichen oder Escapes. {0}',
  'The body was re-serialised with indentation':
    'Der Body wurde mit Einrückungen neu serialisiert',
  'The signature is over an indented spelling of this JSON. {0}':
    'Die Signatur ist über eine eingerückte Schreibweise dieses JSON. {0}',
  'The body was re-serialised with spaces':
    'Der Body wurde mit Leerzeichen neu serialisiert',
  'The signature is over this JSON with a space after each comma and colon, as Python’s json.dumps has it. {0}':
    'Die Signatur ist über dieses JSON mit einem Leerzeichen nach jedem Komma und Doppelpunkt, wie json.dumps in Python es schreibt. {0}',
  'The body was re-serialised with other escapes':
    'Der Body wurde mit anderen Escapes neu serialisiert',
  'The signature is over this JSON with characters written as \\u escapes or \\/, as Python, PHP or Go write it. {0}':
    'Die Signatur ist über dieses JSON mit Zeichen, die als \\u-Escapes oder als \\/ geschrieben sind, wie Python, PHP oder Go es tun. {0}',
  'The body was re-serialised with its keys in another order':
    'Der Body wurde mit anderer Reihenfolge der Schlüssel neu serialisiert',
  'The signature is over this JSON with sorted keys. {0}':
    'Die Signatur ist über dieses JSON mit sortierten Schlüsseln. {0}',
  'A line break at the end of the body':
    'Ein Zeilenumbruch am Ende des Bodys',
  'The body that was sent ends with its closing brace. An editor, echo or a file has added a line break, or one was cut off.':
    'Der gesendete Body endet mit seiner schließenden Klammer. Ein Editor, echo oder eine Datei hat einen Zeilenumbruch angefügt, oder einer wurde abgeschnitten.',
  'The body was serialised twice':
    'Der Body wurde zweimal serialisiert',
  'The signature is over the body as a JSON string, in quotes. {0}':
    'Die Signatur ist über den Body als JSON-String, in Anführungszeichen. {0}',
  'An object was signed instead of the body':
    'Statt des Bodys wurde ein Objekt signiert',
  'The signature is over the text “[object Object]”: a parsed body was put into a string. {0}':
    'Die Signatur ist über den Text „[object Object]“: Ein geparster Body wurde in einen String gesetzt. {0}',
  'Only the data was signed':
    'Nur die Daten wurden signiert',
  'The signature is over the value of “data” alone. The whole body is signed. {0}':
    'Die Signatur ist nur über den Wert von „data“. Signiert wird der ganze Body. {0}',
  'Python’s spelling of bytes was signed':
    'Pythons Schreibweise von Bytes wurde signiert',
  'The signature is over b\'…\': bytes were put into a text. Join bytes with bytes, (timestamp + ".").encode() + body, or decode the body first.':
    'Die Signatur ist über b\'…\': Bytes wurden in einen Text gesetzt. Verbinden Sie Bytes mit Bytes, (timestamp + ".").encode() + body, oder dekodieren Sie zuerst den Body.',
  'A Buffer was signed as JSON':
    'Ein Buffer wurde als JSON signiert',
  'The signature is over {"type":"Buffer","data":[…]}: JSON.stringify was given the raw bytes. {0}':
    'Die Signatur ist über {"type":"Buffer","data":[…]}: JSON.stringify hat die rohen Bytes bekommen. {0}',
  'The body was missing':
    'Der Body fehlte',
  'The signature is over “undefined”, “null” or “None” where the body should be: the variable had no value. {0}':
    'Die Signatur ist über „undefined“, „null“ oder „None“, wo der Body stehen müsste: Die Variable hatte keinen Wert. {0}',
  'An empty body was signed':
    'Ein leerer Body wurde signiert',
  'The signature is over nothing where the body should be: something has read the request before your verifier did.':
    'Wo der Body stehen müsste, ist nichts signiert: Etwas hat die Anfrage vor Ihrer Prüfung gelesen.',
  'The timestamp is in milliseconds':
    'Der Zeitstempel ist in Millisekunden',
  'It has 13 digits. {0}':
    'Er hat 13 Ziffern. {0}',
  'The signature is over milliseconds':
    'Die Signatur ist über Millisekunden',
  'It was computed with the timestamp in milliseconds. {0}':
    'Sie wurde mit dem Zeitstempel in Millisekunden berechnet. {0}',
  'The payload’s timestamp was signed':
    'Der Zeitstempel des Payloads wurde signiert',
  'The signature was computed with the “timestamp” in the body. Take the header X-Nano-Timestamp: it is the time of the attempt.':
    'Die Signatur wurde mit „timestamp“ aus dem Body berechnet. Nehmen Sie den Header X-Nano-Timestamp: Er ist die Zeit des Versuchs.',
  'The timestamp was missing':
    'Der Zeitstempel fehlte',
  'The signature is over “undefined”, “null” or “None” where the timestamp should be: read the header X-Nano-Timestamp (some frameworks have its name in lower case).':
    'Die Signatur ist über „undefined“, „null“ oder „None“, wo der Zeitstempel stehen müsste: Lesen Sie den Header X-Nano-Timestamp (in manchen Frameworks ist sein Name kleingeschrieben).',
  'The timestamp is not a number of seconds':
    'Der Zeitstempel ist keine Zahl von Sekunden',
  'The timestamp is more than five minutes old':
    'Der Zeitstempel ist über fünf Minuten alt',
  'That is to be expected when you look at a past attempt. A verifier should refuse it, as a replay; if yours does so with fresh ones, look at your server’s clock.':
    'Das ist normal, wenn Sie einen vergangenen Versuch ansehen. Eine Prüfung sollte ihn als Wiederholung ablehnen; tut Ihre das bei neuen, sehen Sie nach der Uhr Ihres Servers.',
  'The timestamp is in the future':
    'Der Zeitstempel liegt in der Zukunft',
  'By more than five minutes, measured by this device’s clock. A verifier should refuse it.':
    'Um mehr als fünf Minuten, nach der Uhr dieses Geräts. Eine Prüfung sollte ihn ablehnen.',
  'The body alone was signed':
    'Nur der Body wurde signiert',
  'The timestamp belongs in front of it, with a dot in between: <timestamp>.<body>':
    'Der Zeitstempel gehört davor, mit einem Punkt dazwischen: <timestamp>.<body>',
  'The dot is missing':
    'Der Punkt fehlt',
  'Between the timestamp and the body stands a dot: <timestamp>.<body>':
    'Zwischen dem Zeitstempel und dem Body steht ein Punkt: <timestamp>.<body>',
  'The body stands before the timestamp':
    'Der Body steht vor dem Zeitstempel',
  'The timestamp comes first: <timestamp>.<body>':
    'Der Zeitstempel kommt zuerst: <timestamp>.<body>',
  'The delivery’s id was signed too':
    'Die ID der Zustellung wurde mitsigniert',
  'That is how webhook-signature is made. X-Nano-Signature is over <timestamp>.<body>, without the id.':
    'So wird webhook-signature gebildet. X-Nano-Signature ist über <timestamp>.<body>, ohne die ID.',
  'The delivery’s id was not signed':
    'Die ID der Zustellung wurde nicht signiert',
  'That is how X-Nano-Signature is made. webhook-signature is over <id>.<timestamp>.<body>.':
    'So wird X-Nano-Signature gebildet. webhook-signature ist über <id>.<timestamp>.<body>.',
  'The other secret was used':
    'Das andere Geheimnis wurde verwendet',
  'The signature is right for the other secret that you gave. If it is another webhook’s, use this webhook’s own: each has one. If this webhook’s secret is being rotated, the old one signs X-Nano-Signature until the switch and the new one from then on. The other of the two signs X-Nano-Signature-Next or X-Nano-Signature-Previous, and webhook-signature has both.':
    'Die Signatur ist richtig für das andere Geheimnis, das Sie angegeben haben. Gehört es zu einem anderen Webhook, verwenden Sie das dieses Webhooks: Jeder hat ein eigenes. Wird das Geheimnis dieses Webhooks gerade gewechselt, signiert das alte X-Nano-Signature bis zum Umschalten und danach das neue. Das jeweils andere signiert X-Nano-Signature-Next oder X-Nano-Signature-Previous, und webhook-signature hat beide.',
  'This secret signs a header beside X-Nano-Signature':
    'Dieses Geheimnis signiert einen Header neben X-Nano-Signature',
  'The webhook’s secret is being rotated. If your server reads X-Nano-Signature alone, it needs the old secret until the switch and the new one from then on. The webhook’s page says how far the rotation is.':
    'Das Geheimnis des Webhooks wird gerade gewechselt. Liest Ihr Server nur X-Nano-Signature, braucht er bis zum Umschalten das alte Geheimnis und danach das neue. Die Seite des Webhooks zeigt, wie weit der Wechsel ist.',
  'The secret lacks its whsec_':
    'Dem Geheimnis fehlt whsec_',
  'For X-Nano-Signature the key is the whole secret as text, whsec_ included.':
    'Für X-Nano-Signature ist der Schlüssel das ganze Geheimnis als Text, mit whsec_.',
  'The signature is right for the secret with whsec_ in front. Copy the secret whole.':
    'Die Signatur ist richtig für das Geheimnis mit whsec_ davor. Kopieren Sie das ganze Geheimnis.',
  'The secret was base64-decoded':
    'Das Geheimnis wurde base64-dekodiert',
  'Your library took the secret for base64. If it is a text of your own, give the library its bytes (Webhook(secret.encode()) in Python, new Webhook(secret, { format: "raw" }) in Node); if it began with whsec_, copy it whole.':
    'Ihre Bibliothek hat das Geheimnis für base64 gehalten. Ist es ein eigener Text, geben Sie der Bibliothek seine Bytes (Webhook(secret.encode()) in Python, new Webhook(secret, { format: "raw" }) in Node); begann es mit whsec_, kopieren Sie es ganz.',
  'For X-Nano-Signature the key is the secret’s text as it is. Only webhook-signature uses the decoded bytes.':
    'Für X-Nano-Signature ist der Schlüssel der Text des Geheimnisses, wie er ist. Nur webhook-signature verwendet die dekodierten Bytes.',
  'The secret was not base64-decoded':
    'Das Geheimnis wurde nicht base64-dekodiert',
  'For webhook-signature the key is what follows whsec_, base64-decoded. Standard Webhooks libraries do that themselves.':
    'Für webhook-signature ist der Schlüssel das, was auf whsec_ folgt, base64-dekodiert. Bibliotheken für Standard Webhooks tun das selbst.',
  'The secret was hex-decoded':
    'Das Geheimnis wurde hex-dekodiert',
  'The key is the secret’s text as it is, even where it looks like hex.':
    'Der Schlüssel ist der Text des Geheimnisses, wie er ist, auch wenn er wie Hex aussieht.',
  'There was no secret':
    'Es gab kein Geheimnis',
  'The signature was computed with an empty key, as with a variable that is not set. Stop when there is no secret: with an empty one, everybody can sign.':
    'Die Signatur wurde mit einem leeren Schlüssel berechnet, wie bei einer Variable, die nicht gesetzt ist. Brechen Sie ab, wenn es kein Geheimnis gibt: Mit einem leeren kann jeder signieren.',
  'The secret was missing':
    'Das Geheimnis fehlte',
  'The key was the text “undefined”, “null” or “None”: the variable had no value. Stop when there is no secret: with a known one, everybody can sign.':
    'Der Schlüssel war der Text „undefined“, „null“ oder „None“: Die Variable hatte keinen Wert. Brechen Sie ab, wenn es kein Geheimnis gibt: Mit einem bekannten kann jeder signieren.',
  'The key was Python’s spelling of bytes':
    'Der Schlüssel war Pythons Schreibweise von Bytes',
  'The key was b\'…\': bytes were put into a text. Use secret.encode().':
    'Der Schlüssel war b\'…\': Bytes wurden in einen Text gesetzt. Verwenden Sie secret.encode().',
  'This is a plain SHA-256':
    'Das ist ein einfaches SHA-256',
  'It is a hash without a key, or with the secret joined to the text. Use HMAC with SHA-256, as your language’s standard library has it.':
    'Es ist ein Hash ohne Schlüssel oder mit dem Geheimnis am Text. Verwenden Sie HMAC mit SHA-256, wie es die Standardbibliothek Ihrer Sprache hat.',
  'There is more than the secret in the key':
    'Im Schlüssel ist mehr als das Geheimnis',
  'A space, a line break or quotes around the secret were taken for a part of it; that happens in .env files and when copying.':
    'Ein Leerzeichen, ein Zeilenumbruch oder Anführungszeichen um das Geheimnis wurden für einen Teil davon gehalten; das passiert in .env-Dateien und beim Kopieren.',
  'This is the other header’s form':
    'Das ist die Form des anderen Headers',
  'v1,<base64> is a webhook-signature. Choose that scheme above, or take the header X-Nano-Signature.':
    'v1,<base64> ist eine webhook-signature. Wählen Sie oben dieses Schema, oder nehmen Sie den Header X-Nano-Signature.',
  'v1=<hex> is an X-Nano-Signature. Choose that scheme above, or take the header webhook-signature.':
    'v1=<hex> ist eine X-Nano-Signature. Wählen Sie oben dieses Schema, oder nehmen Sie den Header webhook-signature.',
  'The v1= in front is missing':
    'Das v1= davor fehlt',
  'The v1, in front is missing':
    'Das v1, davor fehlt',
  'The header is v1= and then the hex. Put it in front of what you computed before you compare, or cut it from the header.':
    'Der Header ist v1= und dann das Hex. Setzen Sie es vor das, was Sie berechnet haben, bevor Sie vergleichen, oder schneiden Sie es vom Header ab.',
  'The header is v1, and then the base64. Put it in front of what you computed before you compare, or cut it from the header.':
    'Der Header ist v1, und dann das Base64. Setzen Sie es vor das, was Sie berechnet haben, bevor Sie vergleichen, oder schneiden Sie es vom Header ab.',
  'The hex is in upper case':
    'Das Hex ist großgeschrieben',
  'The header has lower-case hex, and a comparison of texts tells them apart.':
    'Der Header hat kleingeschriebenes Hex, und ein Vergleich von Texten unterscheidet beides.',
  'This is base64 instead of hex':
    'Das ist Base64 statt Hex',
  'X-Nano-Signature is written in hex; ask your HMAC function for a hex digest.':
    'X-Nano-Signature ist in Hex geschrieben; verlangen Sie von Ihrer HMAC-Funktion einen Hex-Digest.',
  'This is hex instead of base64':
    'Das ist Hex statt Base64',
  'webhook-signature is written in base64; ask your HMAC function for a base64 digest.':
    'webhook-signature ist in Base64 geschrieben; verlangen Sie von Ihrer HMAC-Funktion einen Base64-Digest.',
  'The base64 is spelt differently':
    'Das Base64 ist anders geschrieben',
  'The header has the standard alphabet, with + and /, and the = at the end. A comparison of texts refuses base64url (with - and _) and base64 without its padding.':
    'Der Header hat das Standardalphabet, mit + und /, und das = am Ende. Ein Vergleich von Texten lehnt base64url (mit - und _) und Base64 ohne Auffüllung ab.',
  'This is the base64 of a hex text':
    'Das ist das Base64 eines Hex-Textes',
  'The digest was written as hex first and then encoded again. Encode the 32 bytes once.':
    'Der Digest wurde zuerst als Hex geschrieben und dann noch einmal kodiert. Kodieren Sie die 32 Bytes einmal.',
  'This is as long as a SHA-1 digest':
    'Das ist so lang wie ein SHA-1-Digest',
  'The signature is an HMAC with SHA-256: 32 bytes.':
    'Die Signatur ist ein HMAC mit SHA-256: 32 Bytes.',
  'This is as long as a SHA-512 digest':
    'Das ist so lang wie ein SHA-512-Digest',
  'This is not a whole signature':
    'Das ist keine ganze Signatur',
  'It should be v1= and 64 characters of hex. Was it cut while copying?':
    'Es müssten v1= und 64 Zeichen Hex sein. Wurde sie beim Kopieren abgeschnitten?',
  'It should be v1, and 44 characters of base64. Was it cut while copying?':
    'Es müssten v1, und 44 Zeichen Base64 sein. Wurde sie beim Kopieren abgeschnitten?',
  'The signature is of something else':
    'Die Signatur ist über etwas anderes',
  'None of the usual mistakes explains it. The body, the timestamp and the secret must be of the same attempt: each attempt has a timestamp of its own, and each webhook a secret of its own. If you have several webhooks, give the other one’s secret as the other secret.':
    'Keiner der üblichen Fehler erklärt sie. Der Body, der Zeitstempel und das Geheimnis müssen zum selben Versuch gehören: Jeder Versuch hat einen eigenen Zeitstempel und jeder Webhook ein eigenes Geheimnis. Haben Sie mehrere Webhooks, geben Sie das Geheimnis des anderen als das andere Geheimnis an.',
  'Active':
    'Aktiv',
  'Failing':
    'Gestört',
  'Recovering':
    'Erholt sich',
  'Catching up':
    'Holt auf',
  'Down':
    'Ausgefallen',
  'Disabled':
    'Deaktiviert',
  'Given up':
    'Aufgegeben',
  '1 event waits and will be sent when it does.':
    '1 Ereignis wartet und wird gesendet, wenn er wieder antwortet.',
  '{0} events wait and will be sent when it does.':
    '{0} Ereignisse warten und werden gesendet, wenn er wieder antwortet.',
  'At least {0} events wait and will be sent when it does.':
    'Mindestens {0} Ereignisse warten und werden gesendet, wenn er wieder antwortet.',
  'Your endpoint has not answered since {0}.':
    'Ihr Endpunkt hat nicht mehr geantwortet, seit: {0}.',
  'Your endpoint has not answered.':
    'Ihr Endpunkt hat nicht geantwortet.',
  'New events wait and will be sent when it does.':
    'Neue Ereignisse warten und werden gesendet, wenn er wieder antwortet.',
  'The next try comes within a minute or two.':
    'Der nächste Versuch kommt in ein bis zwei Minuten.',
  'Next try at {0}.':
    'Nächster Versuch: {0}.',
  'The last try failed at {0}.':
    'Der letzte Versuch schlug fehl: {0}.',
  'Only a status from 200 to 299 counts as an answer: open a delivery below to see what came instead. After days without one, the webhook is disabled.':
    'Nur ein Status von 200 bis 299 zählt als Antwort: Öffnen Sie unten eine Zustellung, um zu sehen, was stattdessen kam. Nach Tagen ohne Antwort wird der Webhook deaktiviert.',
  '1 event waits and is on its way':
    '1 Ereignis wartet und ist unterwegs',
  '{0} events wait and are on their way':
    '{0} Ereignisse warten und sind unterwegs',
  'At least {0} events wait and are on their way':
    'Mindestens {0} Ereignisse warten und sind unterwegs',
  '{0}: slowly at first, and faster each minute while your endpoint takes them. New events are sent as they come.':
    '{0}: zuerst langsam, und jede Minute schneller, solange Ihr Endpunkt sie annimmt. Neue Ereignisse werden gesendet, wie sie kommen.',
  'Not all goes well yet: an attempt failed at {0}.':
    'Noch geht nicht alles gut, ein Versuch schlug fehl: {0}.',
  '1 event waits for a later minute':
    '1 Ereignis wartet auf eine spätere Minute',
  '{0} events wait for a later minute':
    '{0} Ereignisse warten auf eine spätere Minute',
  'At least {0} events wait for a later minute':
    'Mindestens {0} Ereignisse warten auf eine spätere Minute',
  '{0}: this webhook gets at most 1 request a minute.':
    '{0}: Dieser Webhook erhält höchstens 1 Anfrage pro Minute.',
  '{0}: this webhook gets at most {1} requests a minute.':
    '{0}: Dieser Webhook erhält höchstens {1} Anfragen pro Minute.',
  'At least the last {0} attempts failed, since {1}.':
    'Mindestens die letzten {0} Versuche schlugen fehl, seit: {1}.',
  'The last {0} attempts failed, since {1}.':
    'Die letzten {0} Versuche schlugen fehl, seit: {1}.',
  'The last attempt failed, at {0}.':
    'Der letzte Versuch schlug fehl: {0}.',
  'Open a delivery below to see why. If your endpoint stays down, events wait and are sent when it answers.':
    'Öffnen Sie unten eine Zustellung, um den Grund zu sehen. Bleibt Ihr Endpunkt ausgefallen, warten Ereignisse und werden gesendet, wenn er antwortet.',
  'Disabled.':
    'Deaktiviert.',
  'The service has disabled this webhook: {0}.':
    'Der Dienst hat diesen Webhook deaktiviert: {0}.',
  'Enable it once your endpoint is ready: 1 event waits and will be sent then.':
    'Aktivieren Sie ihn, sobald Ihr Endpunkt bereit ist: 1 Ereignis wartet und wird dann gesendet.',
  'Enable it once your endpoint is ready: {0} events wait and will be sent then.':
    'Aktivieren Sie ihn, sobald Ihr Endpunkt bereit ist: {0} Ereignisse warten und werden dann gesendet.',
  'Enable it once your endpoint is ready: at least {0} events wait and will be sent then.':
    'Aktivieren Sie ihn, sobald Ihr Endpunkt bereit ist: Mindestens {0} Ereignisse warten und werden dann gesendet.',
  'It gets no deliveries.':
    'Er erhält keine Zustellungen.',
  'Enable it once your endpoint is ready.':
    'Aktivieren Sie ihn, sobald Ihr Endpunkt bereit ist.',
  'Send them':
    'Jetzt senden',
  'Not now':
    'Nicht jetzt',
  '{0} while it was disabled':
    '{0}, während er deaktiviert war',
  '{0} while it was disabled, since {1}.':
    '{0}, während er deaktiviert war, seit: {1}.',
  'It missed 1 event':
    'Er hat 1 Ereignis verpasst',
  'It missed at least 1 event':
    'Er hat mindestens 1 Ereignis verpasst',
  'It missed {0} events':
    'Er hat {0} Ereignisse verpasst',
  'It missed at least {0} events':
    'Er hat mindestens {0} Ereignisse verpasst',
  '← Newer':
    '← Neuere',
  'Older →':
    'Ältere →',
  'Go on looking':
    'Weitersuchen',
  'Nothing more here.':
    'Hier ist nichts mehr.',
  'Nothing found so far.':
    'Bisher nichts gefunden.',
  'Looked back to {0}.':
    'Durchsucht zurück bis {0}.',
  'Payload':
    'Payload',
  'It was erased, or its time in the history is over.':
    'Er wurde unwiderruflich gelöscht, oder seine Zeit im Verlauf ist abgelaufen.',
  'Form':
    'Darstellung',
  'Readable':
    'Lesbar',
  'As sent':
    'Wie gesendet',
  'Copy as sent':
    'Wie gesendet kopieren',
  '{0} bytes. Signatures are over the payload as sent, byte for byte.':
    '{0} Bytes. Signaturen sind über den Payload, wie er gesendet wurde, Byte für Byte.',
  'Receive it · Webhook {0}':
    'Empfangen · Webhook {0}',
  'Receive it':
    'Empfangen',
  'The programs could not be loaded.':
    'Die Programme konnten nicht geladen werden.',
  'The service shows a secret only once. Paste the one that you saved, and the line below is complete. It stays on this page and is not sent.':
    'Der Dienst zeigt ein Geheimnis nur einmal. Fügen Sie das ein, das Sie gespeichert haben, und die Zeile unten ist vollständig. Es bleibt auf dieser Seite und wird nicht gesendet.',
  'The settings':
    'Die Einstellungen',
  'Language':
    'Programmiersprache',
  'The program':
    'Das Programm',
  'It takes requests at {0}, the path of your URL.':
    'Es nimmt Anfragen unter {0} an, dem Pfad Ihrer URL.',
  'Write the path of your URL, {0}, in the place of {1}.':
    'Schreiben Sie den Pfad Ihrer URL, {0}, an die Stelle von {1}.',
  'It takes requests at every path.':
    'Es nimmt Anfragen unter jedem Pfad an.',
  'It listens on this machine alone, for a server in front of it that ends TLS. The tests of this service run it as it is here, against real deliveries and forged ones.':
    'Es lauscht nur auf diesem Rechner, für einen Server davor, der TLS beendet. Die Tests dieses Dienstes führen es aus, wie es hier steht, gegen echte und gefälschte Zustellungen.',
  'Copy {0}':
    '{0} kopieren',
  'A valid event':
    'Ein gültiges Ereignis',
  'A wrong signature':
    'Eine falsche Signatur',
  'An old timestamp':
    'Ein alter Zeitstempel',
  'The same event again':
    'Dasselbe Ereignis noch einmal',
  'An unknown event':
    'Ein unbekanntes Ereignis',
  'Rehearse':
    'Probelauf',
  'The rehearsal has ended: {0}':
    'Der Probelauf ist beendet: {0}',
  'Rehearsal at {0}: {1}':
    'Probelauf, {0}: {1}',
  'Tested was {0}':
    'Getestet wurde {0}',
  'It has stopped: {0}.':
    'Er wurde angehalten: {0}.',
  'under way …':
    'läuft …',
  'your endpoint passes.':
    'Ihr Endpunkt besteht.',
  '{0} of {1} passed.':
    '{0} von {1} bestanden.',
  'Sent: {0}. Expected: {1}.':
    'Gesendet: {0}. Erwartet: {1}.',
  'Waiting':
    'Wartet',
  'Not sent':
    'Nicht gesendet',
  'Unclear':
    'Unklar',
  'Passed':
    'Bestanden',
  'Failed':
    'Nicht bestanden',
  'Got: {0} after {1}, “{2}”.':
    'Erhalten: {0} nach {1}, „{2}“.',
  'Got: {0} after {1}.':
    'Erhalten: {0} nach {1}.',
  'Every attempt failed.':
    'Alle Versuche sind fehlgeschlagen.',
  'It was given up while it waited.':
    'Sie wurden aufgegeben, während sie warteten.',
  'It was never sent to this webhook, which was disabled, had not subscribed, or was not there yet.':
    'Sie wurden nie an diesen Webhook gesendet: Er war deaktiviert, hatte sie nicht abonniert oder war noch nicht da.',
  'Your endpoint has these already, and gets them again.':
    'Ihr Endpunkt hat diese schon und erhält sie noch einmal.',
  'The resend is done':
    'Das erneute Senden ist beendet',
  'Stop':
    'Anhalten',
  '{0} {1} events from {2} to {3}: {4} in all.':
    '{0}: Ereignisse ({1}) von {2} bis {3}, insgesamt {4}.',
  'Resent':
    'Erneut gesendet',
  'Resending':
    'Wird erneut gesendet',
  '{0} {1} events from {2} to {3}: sent {4} so far, reached {5}.':
    '{0}: Ereignisse ({1}) von {2} bis {3}, bisher {4} gesendet, gekommen bis {5}.',
  '{0} {1} events from {2} to {3}: sent {4} so far.':
    '{0}: Ereignisse ({1}) von {2} bis {3}, bisher {4} gesendet.',
  'It waits until your endpoint takes deliveries, and goes on by itself.':
    'Es wartet, bis Ihr Endpunkt Zustellungen annimmt, und geht von selbst weiter.',
  'Stopped. {0} or more were sent.':
    'Angehalten. Mindestens {0} wurden gesendet.',
  'The resend has begun':
    'Das erneute Senden hat begonnen',
  'Resend':
    'Erneut senden',
  'By the time when the task ended. Without an end, until now.':
    'Nach der Zeit, zu der die Aufgabe endete. Ohne Ende: bis jetzt.',
  'Which events':
    'Welche Ereignisse',
  'They are sent at a pace that leaves room for new events. You can stop it.':
    'Sie werden in einem Tempo gesendet, das Platz für neue Ereignisse lässt. Sie können es anhalten.',
  'Choose which events.':
    'Wählen Sie, welche Ereignisse.',
  '1 hour':
    '1 Stunde',
  '1 day':
    '1 Tag',
  '7 days':
    '7 Tage',
  'Not at all: the old one has leaked':
    'Gar nicht: Das alte ist bekannt geworden',
  'Rotate secret':
    'Geheimnis wechseln',
  'Rotate the signing secret':
    'Signaturgeheimnis wechseln',
  'You get a new secret for the signatures of your deliveries.':
    'Sie erhalten ein neues Geheimnis für die Signaturen Ihrer Zustellungen.',
  'The rotation has begun':
    'Der Wechsel hat begonnen',
  'The secret was rotated':
    'Das Geheimnis wurde gewechselt',
  'The new one signs X-Nano-Signature, and the old one X-Nano-Signature-Previous until {0}.':
    'Das neue signiert X-Nano-Signature, und das alte X-Nano-Signature-Previous bis {0}.',
  'The secret was switched.':
    'Es wurde auf das neue Geheimnis umgeschaltet.',
  'The secret is being rotated.':
    'Das Geheimnis wird gewechselt.',
  'The old one still signs X-Nano-Signature, and the new one X-Nano-Signature-Next. Give your server the new one, then switch.':
    'Das alte signiert noch X-Nano-Signature, und das neue X-Nano-Signature-Next. Geben Sie Ihrem Server das neue, und schalten Sie dann um.',
  'If you do not, it happens by itself at {0}.':
    'Tun Sie das nicht, geschieht es von selbst: {0}.',
  'What your server refuses in between is sent again, so switch soon after it has the new one.':
    'Was Ihr Server dazwischen ablehnt, wird erneut gesendet. Schalten Sie also bald um, nachdem er das neue hat.',
  'How long the old one stays valid':
    'Wie lange das alte gültig bleibt',
  'Deliveries are signed as before. Give your server the new one, then press “Switch now” on this page: from then on the new one signs X-Nano-Signature. If you do not, it happens by itself when the old one ends. Make both changes within a day, so that no delivery is lost.':
    'Zustellungen werden signiert wie bisher. Geben Sie Ihrem Server das neue, und drücken Sie dann auf dieser Seite „Jetzt umschalten“: Von da an signiert das neue X-Nano-Signature. Tun Sie das nicht, geschieht es von selbst, wenn das alte endet. Machen Sie beide Änderungen innerhalb eines Tages, damit keine Zustellung verloren geht.',
  'Another rotation is before its switch. If your server has that secret already, cancel and switch first.':
    'Bei einem anderen Wechsel wurde noch nicht umgeschaltet. Hat Ihr Server dieses Geheimnis schon, brechen Sie ab, und schalten Sie zuerst um.',
  'There is no switch. Your server refuses everything until it has the new one.':
    'Es wird nicht umgeschaltet. Ihr Server lehnt alles ab, bis er das neue hat.',
  'New signing secret':
    'Neues Signaturgeheimnis',
  'Clear':
    'Zurücksetzen',
  'Task id':
    'ID der Aufgabe',
  'From ({0})':
    'Von ({0})',
  'Until':
    'Bis',
  'Send the selected again':
    'Ausgewählte erneut senden',
  'Select {0}':
    '{0} auswählen',
  'Select all on this page':
    'Alle auswählen (auf dieser Seite)',
  'Select all':
    'Alle auswählen',
  '{0} selected':
    '{0} ausgewählt',
  'Sending {0} of {1} …':
    '{0} von {1} wird gesendet …',
  '{0} of {1} queued.':
    '{0} von {1} in der Warteschlange.',
  'Too many requests with this key. It goes on at {0}.':
    'Zu viele Anfragen mit diesem Schlüssel. Es geht um {0} weiter.',
  'Sign in':
    'Anmelden',
  'Sign in to your webhooks':
    'Bei Ihren Webhooks anmelden',
  'No key yet? The operator of this service makes one for you, with {0}.':
    'Noch kein Schlüssel? Der Betreiber dieses Dienstes erzeugt Ihnen einen, mit {0}.',
  'Was there another page here before? Load this one again, and it signs you in.':
    'War hier vorher eine andere Seite? Laden Sie diese neu, und sie meldet Sie an.',
  'It begins with sk- and stays in this tab and those that you open from it. On a computer that others use, sign out: browsers can open a closed tab again, key and all.':
    'Er beginnt mit sk- und bleibt in diesem Tab und denen, die Sie daraus öffnen. Melden Sie sich an einem Computer, den andere benutzen, ab: Browser können einen geschlossenen Tab samt Schlüssel wieder öffnen.',
  'API key':
    'API-Schlüssel',
  'An API key begins with sk-, and has 20 to 256 characters without spaces.':
    'Ein API-Schlüssel beginnt mit sk- und hat 20 bis 256 Zeichen ohne Leerzeichen.',
  'Paste your API key first.':
    'Fügen Sie zuerst Ihren API-Schlüssel ein.',
  'Signed in':
    'Angemeldet',
  'This key is not valid. Was it copied whole, and has it not been revoked?':
    'Dieser Schlüssel ist nicht gültig. Wurde er ganz kopiert, und wurde er nicht widerrufen?',
  'Deliveries and health':
    'Zustellungen und Zustand',
  'Send test event':
    'Testereignis senden',
  'Try it':
    'Ausprobieren',
  'A test event is an example, signed like any other. A rehearsal sends five requests, also wrong ones, and says what your endpoint should do otherwise.':
    'Ein Testereignis ist ein Beispiel, signiert wie jedes andere. Ein Probelauf sendet fünf Anfragen, auch falsche, und sagt, was Ihr Endpunkt anders machen sollte.',
  'Enable the webhook first: a disabled one gets no test events either.':
    'Aktivieren Sie zuerst den Webhook: Ein deaktivierter erhält auch keine Testereignisse.',
  'Sending …':
    'Wird gesendet …',
  'Still queued. Look at the deliveries below in a while.':
    'Noch in der Warteschlange. Sehen Sie später unten bei den Zustellungen nach.',
  '{0} in {1}: your endpoint answered {2}.':
    '{0} in {1}: Ihr Endpunkt hat mit {2} geantwortet.',
  '{0} in {1}: your endpoint answered {2}, at attempt {3}.':
    '{0} in {1}: Ihr Endpunkt hat mit {2} geantwortet, bei Versuch {3}.',
  'No attempt was made':
    'Es gab keinen Versuch',
  'Attempt {0} failed':
    'Versuch {0} ist fehlgeschlagen',
  '{0}: {1}, “{2}”.':
    '{0}: {1}, „{2}“.',
  '{0}: {1}.':
    '{0}: {1}.',
  'The next attempt comes at {0}.':
    'Der nächste Versuch kommt: {0}.',
  'It waits until your endpoint answers.':
    'Sie wartet, bis Ihr Endpunkt antwortet.',
  'It is being tried.':
    'Der Versuch läuft.',
  'There will be no further attempt.':
    'Es folgt kein weiterer Versuch.',
  'Probe now':
    'Jetzt prüfen',
  'Switch now':
    'Jetzt umschalten',
  'Edit':
    'Bearbeiten',
  'Disable':
    'Deaktivieren',
  'Enable':
    'Aktivieren',
  'Delete':
    'Löschen',
  'Asked for. What comes of it is here within a minute or two.':
    'Die Prüfung ist angefordert. Was sie ergibt, steht in ein bis zwei Minuten hier.',
  'Nothing came of it so far.':
    'Bisher hat sich nichts ergeben.',
  'It failed, at {0}.':
    'Sie schlug fehl: {0}.',
  'Enabled':
    'Aktiviert',
  'Switched':
    'Umgeschaltet',
  'It gets no deliveries until you enable it again. Deliveries that wait are held, and sent when you enable it; events of the time between are sent only if you ask for it then.':
    'Er erhält keine Zustellungen, bis Sie ihn wieder aktivieren. Wartende Zustellungen werden zurückgehalten und gesendet, wenn Sie ihn aktivieren; Ereignisse der Zwischenzeit werden nur gesendet, wenn Sie es dann verlangen.',
  'Disable this webhook?':
    'Diesen Webhook deaktivieren?',
  'Delete this webhook?':
    'Diesen Webhook löschen?',
  'Delete webhook':
    'Webhook löschen',
  '{0} gets no more deliveries, and its secret is gone.':
    '{0} erhält keine Zustellungen mehr, und das Geheimnis ist weg.',
  'This cannot be undone.':
    'Das kann nicht rückgängig gemacht werden.',
  'Its history is kept until its time is over, but this webhook’s page is gone. Events stay, with what this webhook got: the Events page has them.':
    'Der Verlauf bleibt, bis seine Zeit abgelaufen ist, aber die Seite dieses Webhooks ist weg. Ereignisse bleiben, mit dem, was dieser Webhook erhalten hat: Sie stehen auf der Seite „Ereignisse“.',
  'Deleted':
    'Gelöscht',
  'of {0}':
    'vom Typ {0}',
  'with {0}':
    'mit {0}',
  'at most {0} a minute':
    'höchstens {0} pro Minute',
  'This account has no webhooks.':
    'Dieses Konto hat keine Webhooks.',
  'Hear of finished tasks':
    'Erfahren Sie, wenn Aufgaben enden',
  'Register the URL of your server, and every task that finishes is sent to it: signed, and again if your server was down.':
    'Hinterlegen Sie die URL Ihres Servers, und jede Aufgabe, die endet, wird an sie gesendet: signiert, und noch einmal, wenn Ihr Server ausgefallen war.',
  'Add a webhook':
    'Einen Webhook hinzufügen',
  'A URL of yours that takes POST requests.':
    'Eine Ihrer URLs, die POST-Anfragen annimmt.',
  'With a tested program in your language.':
    'Mit einem getesteten Programm in Ihrer Sprache.',
  'Send a test event':
    'Testereignis senden',
  'And watch it arrive, or see why it did not.':
    'Sehen Sie es ankommen, oder sehen Sie, warum nicht.',
  'So that nobody else can send you events.':
    'Damit niemand sonst Ihnen Ereignisse senden kann.',
};

/** The service's own texts, which the API sends in English. */
export const SERVICE = {
  // A webhook
  'the endpoint answered 410 Gone':
    'der Endpunkt hat mit 410 Gone geantwortet',
  'every attempt failed for {0} days':
    'alle Versuche sind {0} Tage lang fehlgeschlagen',
  'every attempt failed for {0} hours':
    'alle Versuche sind {0} Stunden lang fehlgeschlagen',
  'every attempt failed for {0} minutes':
    'alle Versuche sind {0} Minuten lang fehlgeschlagen',
  'every attempt failed for {0} seconds':
    'alle Versuche sind {0} Sekunden lang fehlgeschlagen',
  // An attempt, and its details
  'the URL cannot be called: {0}':
    'die URL darf nicht aufgerufen werden: {0}',
  'the host name could not be resolved: {0}':
    'der Hostname konnte nicht aufgelöst werden: {0}',
  'no connection could be made: {0}':
    'es konnte keine Verbindung aufgebaut werden: {0}',
  'no TLS session could be made: {0}':
    'es konnte keine TLS-Sitzung aufgebaut werden: {0}',
  'no status arrived within {0} s':
    'innerhalb von {0} s kam kein Status an',
  'the connection failed before a status arrived: {0}':
    'die Verbindung brach ab, bevor ein Status ankam: {0}',
  'the status and headers of the response are too large':
    'Status und Header der Antwort sind zu groß',
  'the endpoint answered {0}':
    'der Endpunkt hat mit {0} geantwortet',
  'the endpoint answered {0}, a redirect to {1}, which is not followed: {2}':
    'der Endpunkt hat mit {0} geantwortet, einer Weiterleitung zu {1}, der nicht gefolgt wird: {2}',
  'register that URL':
    'hinterlegen Sie diese URL',
  'answer 2xx at the URL that is registered':
    'antworten Sie unter der hinterlegten URL mit 2xx',
  'an erased URL':
    'einer gelöschten URL',
  'not within {0} s':
    'nicht innerhalb von {0} s',
  'no certificate can be for such a host name':
    'für einen solchen Hostnamen kann es kein Zertifikat geben',
  'the server closed the connection during the handshake: its log may say why':
    'der Server hat die Verbindung während des Handshakes geschlossen: vielleicht steht der Grund in seinem Log',
  'it has no addresses':
    'er hat keine Adressen',
  'what came is not HTTP/1.1':
    'was kam, ist kein HTTP/1.1',
  'it was closed':
    'sie wurde geschlossen',
  'after the TLS handshake, {0}':
    'nach dem TLS-Handshake: {0}',
  'timed out':
    'Zeitüberschreitung',
  'connection refused':
    'die Verbindung wurde abgelehnt',
  'connection reset':
    'die Verbindung wurde zurückgesetzt',
  'connection aborted':
    'die Verbindung wurde abgebrochen',
  'host unreachable':
    'der Host ist nicht erreichbar',
  'network unreachable':
    'das Netz ist nicht erreichbar',
  'broken pipe':
    'die Verbindung ist unterbrochen',
  'no request can be made of it ({0})':
    'aus ihr lässt sich keine Anfrage machen ({0})',
  'the host has an address that is not public':
    'der Host hat eine Adresse, die nicht öffentlich ist',
  // TLS
  'what came is not TLS: set TLS up on this port, or use the URL of one that has it':
    'was kam, ist kein TLS: richten Sie TLS auf diesem Port ein, oder verwenden Sie die URL eines Ports, der es hat',
  'the server speaks no TLS version that we accept: enable TLS 1.2 or 1.3':
    'der Server spricht keine TLS-Version, die wir akzeptieren: aktivieren Sie TLS 1.2 oder 1.3',
  'the server has no cipher suite or key exchange in common with us: enable TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20':
    'der Server hat keine Cipher-Suite oder keinen Schlüsselaustausch mit uns gemeinsam: aktivieren Sie TLS 1.3 oder TLS 1.2 mit ECDHE und AES-GCM oder ChaCha20',
  'the server wants a client certificate, which we do not have: switch that off for this URL':
    'der Server verlangt ein Client-Zertifikat, das wir nicht haben: schalten Sie das für diese URL aus',
  'the server has no site of this name: check the host in the URL, and the names that the server is set up for':
    'der Server hat keine Site dieses Namens: prüfen Sie den Host in der URL und die Namen, für die der Server eingerichtet ist',
  'the server broke the rules of TLS: update its TLS library, or look at the proxy or balancer before it':
    'der Server hat die Regeln von TLS verletzt: aktualisieren Sie seine TLS-Bibliothek, oder prüfen Sie den Proxy oder Balancer davor',
  'the certificate chain does not hold together: send the server\'s certificate first, then the intermediate certificates of its authority':
    'die Zertifikatskette hält nicht zusammen: senden Sie zuerst das Zertifikat des Servers, dann die Zwischenzertifikate seiner Zertifizierungsstelle',
  'the certificate cannot be read: get a new one from a public authority':
    'das Zertifikat kann nicht gelesen werden: besorgen Sie ein neues von einer öffentlichen Zertifizierungsstelle',
  'the server sent no certificate: set one up for this host':
    'der Server hat kein Zertifikat gesendet: richten Sie eines für diesen Host ein',
  'the server does not offer HTTP/1.1 on this port: enable it':
    'der Server bietet auf diesem Port kein HTTP/1.1 an: aktivieren Sie es',
  'the TLS session failed: look at the server\'s log, and whether other TLS clients reach it':
    'die TLS-Sitzung ist fehlgeschlagen: sehen Sie im Log des Servers nach, und ob andere TLS-Clients ihn erreichen',
  'the certificate is expired: renew it':
    'das Zertifikat ist abgelaufen: erneuern Sie es',
  'the certificate is not valid yet: use one whose time has begun':
    'das Zertifikat ist noch nicht gültig: verwenden Sie eines, dessen Zeit begonnen hat',
  'the certificate is for another host: use one for the host in the URL':
    'das Zertifikat ist für einen anderen Host: verwenden Sie eines für den Host in der URL',
  'the certificate is self-signed, from an unknown authority, or an intermediate certificate is missing: use one from a public authority, and send its intermediate certificates too':
    'das Zertifikat ist selbstsigniert oder von einer unbekannten Zertifizierungsstelle, oder ein Zwischenzertifikat fehlt: verwenden Sie eines von einer öffentlichen Zertifizierungsstelle, und senden Sie auch seine Zwischenzertifikate',
  'the certificate is revoked: get a new one':
    'das Zertifikat ist widerrufen: besorgen Sie ein neues',
  'the certificate is signed in a way that is not accepted, such as with SHA-1: use one that is signed with RSA or ECDSA and SHA-256':
    'das Zertifikat ist auf eine Weise signiert, die nicht akzeptiert wird, etwa mit SHA-1: verwenden Sie eines, das mit RSA oder ECDSA und SHA-256 signiert ist',
  'the certificate is not for servers: use one whose extended key usage has server authentication':
    'das Zertifikat ist nicht für Server: verwenden Sie eines, dessen erweiterte Schlüsselverwendung Server-Authentifizierung enthält',
  'the certificate is not accepted: use one from a public authority':
    'das Zertifikat wird nicht akzeptiert: verwenden Sie eines von einer öffentlichen Zertifizierungsstelle',
  'the certificate is an authority\'s (CA:TRUE), as `openssl req -x509` makes it: use one that a public authority issued for this host':
    'das Zertifikat ist das einer Zertifizierungsstelle (CA:TRUE), wie `openssl req -x509` es erzeugt: verwenden Sie eines, das eine öffentliche Zertifizierungsstelle für diesen Host ausgestellt hat',
  'the certificate is X.509 version 1: use one of version 3':
    'das Zertifikat ist X.509 Version 1: verwenden Sie eines der Version 3',
  'the server refused the handshake: enable TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20, and ask for no client certificate':
    'der Server hat den Handshake abgelehnt: aktivieren Sie TLS 1.3 oder TLS 1.2 mit ECDHE und AES-GCM oder ChaCha20, und verlangen Sie kein Client-Zertifikat',
  'the server ended the TLS session with an alert: its log says why':
    'der Server hat die TLS-Sitzung mit einem Alert beendet: der Grund steht in seinem Log',
  'the server\'s certificates are more than 64 KiB: send its own and the intermediate ones only':
    'die Zertifikate des Servers sind größer als 64 KiB: senden Sie nur sein eigenes und die Zwischenzertifikate',
  // An event, and its way to a webhook
  'the account had no webhook':
    'das Konto hatte keinen Webhook',
  'webhook {0} was deleted':
    'Webhook {0} wurde gelöscht',
  'the event was erased':
    'das Ereignis wurde unwiderruflich gelöscht',
  'the event was no longer kept when it was its turn':
    'das Ereignis wurde nicht mehr aufbewahrt, als es an der Reihe war',
  'webhook {0} was disabled':
    'Webhook {0} war deaktiviert',
  'webhook {0} did not subscribe to {1} then':
    'Webhook {0} hatte {1} damals nicht abonniert',
  'webhook {0} subscribes to {1} only':
    'Webhook {0} hat nur {1} abonniert',
  'webhook {0} did not take task_type {1} then':
    'Webhook {0} nahm task_type {1} damals nicht an',
  'webhook {0} takes task_type {1} only':
    'Webhook {0} nimmt nur task_type {1} an',
  'the event is a test of webhook {0}':
    'das Ereignis ist ein Test von Webhook {0}',
  'webhook {0} was created later':
    'Webhook {0} wurde später angelegt',
  'webhook {0} delivers to callback_url instead of its own url':
    'Webhook {0} sendet an callback_url statt an seine eigene url',
  'callback_url is not called: the account has no active webhook for {0}':
    'callback_url wird nicht aufgerufen: das Konto hat keinen aktiven Webhook für {0}',
  'callback_url\'s host is not allowed: no active webhook for {0} has the origin {1}, or names the host in callback_hosts':
    'der Host von callback_url ist nicht erlaubt: kein aktiver Webhook für {0} hat den Origin {1} oder nennt den Host in callback_hosts',
  '{0} of task_type {1}':
    '{0} mit task_type {1}',
  'Endpoints that received it have it.':
    'Endpunkte, die es erhalten haben, haben es.',
  'An attempt that had begun is finished, and its endpoint receives it.':
    'Ein Versuch, der begonnen hatte, wird beendet, und sein Endpunkt erhält es.',
  'Messages that were on a queue, or that failed on our side, can contain it until {0}. No attempt is made for them.':
    'Nachrichten, die in einer Warteschlange standen oder auf unserer Seite fehlschlugen, können es bis {0} enthalten. Für sie gibt es keinen Versuch.',
  'The deliveries table\'s change log can contain endpoints\' answers until {0}.':
    'Das Änderungsprotokoll der Tabelle der Zustellungen kann bis {0} Antworten von Endpunkten enthalten.',
  'Backups of the tables contain it until {0}.':
    'Backups der Tabellen enthalten es bis {0}.',
  // A rehearsal
  'a sample event, signed like every delivery':
    'ein Beispielereignis, signiert wie jede Zustellung',
  'a sample event with a signature that another secret made':
    'ein Beispielereignis mit der Signatur eines anderen Geheimnisses',
  'a sample event with a valid signature and a timestamp of an hour ago':
    'ein Beispielereignis mit gültiger Signatur und einem Zeitstempel von vor einer Stunde',
  'the event of the first step again, with the same webhook-id and a new signature':
    'das Ereignis des ersten Schritts noch einmal, mit derselben webhook-id und neuer Signatur',
  'an event named rehearsal.unknown_event, signed like every delivery':
    'ein Ereignis namens rehearsal.unknown_event, signiert wie jede Zustellung',
  '4xx, for example 401':
    '4xx, zum Beispiel 401',
  '2xx, without handling the event again':
    '2xx, ohne das Ereignis noch einmal zu verarbeiten',
  '2xx, without doing anything':
    '2xx, ohne etwas zu tun',
  '2xx':
    '2xx',
  'the webhook was deleted':
    'der Webhook wurde gelöscht',
  'the webhook\'s URL or status was changed meanwhile':
    'die URL oder der Status des Webhooks wurde inzwischen geändert',
  'the service could not make its requests in time; begin another one':
    'der Dienst konnte seine Anfragen nicht rechtzeitig senden; beginnen Sie einen neuen',
  'You accepted an event with a valid signature.':
    'Sie haben ein Ereignis mit gültiger Signatur angenommen.',
  'Your endpoint could not be reached or gave no answer: {0}. No delivery can arrive.':
    'Ihr Endpunkt war nicht erreichbar oder hat nicht geantwortet: {0}. Keine Zustellung kann ankommen.',
  'You answered {0}, an error of your own server, where a 2xx was expected. A delivery with that answer is retried.':
    'Sie haben mit {0} geantwortet, einem Fehler Ihres eigenen Servers; erwartet war 2xx. Eine Zustellung mit dieser Antwort wird erneut versucht.',
  'You refused an event with a valid signature ({0}). Check that your secret is this webhook\'s, and that you compute the signature from the bytes of the body as they arrive.':
    'Sie haben ein Ereignis mit gültiger Signatur abgelehnt ({0}). Prüfen Sie, ob Ihr Geheimnis das dieses Webhooks ist und ob Sie die Signatur aus den Bytes des Bodys berechnen, wie sie ankommen.',
  'You answered 410 to an event with a valid signature, where a 2xx was expected. A delivery with that answer disables the webhook.':
    'Sie haben auf ein Ereignis mit gültiger Signatur mit 410 geantwortet; erwartet war 2xx. Eine Zustellung mit dieser Antwort deaktiviert den Webhook.',
  'You answered {0} to an event with a valid signature, where a 2xx was expected ({1}). A delivery with that answer is retried and then fails.':
    'Sie haben auf ein Ereignis mit gültiger Signatur mit {0} geantwortet; erwartet war 2xx ({1}). Eine Zustellung mit dieser Antwort wird erneut versucht und schlägt dann fehl.',
  'You accepted an event that arrived twice.':
    'Sie haben ein Ereignis angenommen, das zweimal ankam.',
  'You accepted an event whose name you cannot know.':
    'Sie haben ein Ereignis angenommen, dessen Namen Sie nicht kennen können.',
  'You accepted a request with a wrong signature: anybody can forge events to this endpoint. Compare the signature before you use the body.':
    'Sie haben eine Anfrage mit falscher Signatur angenommen: Jeder kann diesem Endpunkt gefälschte Ereignisse senden. Vergleichen Sie die Signatur, bevor Sie den Body verwenden.',
  'You accepted a request that was signed an hour ago: anybody who has recorded a request can send it again at any time. Refuse a timestamp that is more than five minutes off.':
    'Sie haben eine Anfrage angenommen, die vor einer Stunde signiert wurde: Jeder, der eine Anfrage aufgezeichnet hat, kann sie jederzeit noch einmal senden. Lehnen Sie einen Zeitstempel ab, der um mehr als fünf Minuten abweicht.',
  ' Better answer 401: to a delivery, a 410 disables the webhook.':
    ' Antworten Sie besser mit 401: Bei einer Zustellung deaktiviert ein 410 den Webhook.',
  'You refused a request with a wrong signature ({0}).{1}':
    'Sie haben eine Anfrage mit falscher Signatur abgelehnt ({0}).{1}',
  'You refused a request with an old timestamp ({0}).{1}':
    'Sie haben eine Anfrage mit altem Zeitstempel abgelehnt ({0}).{1}',
  'a wrong signature':
    'falscher Signatur',
  'an old timestamp':
    'altem Zeitstempel',
  'That is an error of your own server, not a refusal: it may have failed before or after it used the event.':
    'Das ist ein Fehler Ihres eigenen Servers und keine Ablehnung: Er kann fehlgeschlagen sein, bevor oder nachdem er das Ereignis verwendet hat.',
  'That is not a refusal.':
    'Das ist keine Ablehnung.',
  'You answered {0} to a request with {1}, where a 4xx was expected. {2} Answer 401.':
    'Sie haben mit {0} auf eine Anfrage mit {1} geantwortet; erwartet war 4xx. {2} Antworten Sie mit 401.',
  'You answered {0}':
    'Sie haben mit {0} geantwortet',
  'You gave no answer ({0})':
    'Sie haben nicht geantwortet ({0})',
  'a 410 disables the webhook':
    'ein 410 deaktiviert den Webhook',
  'otherwise the delivery is retried and counts as failed':
    'sonst wird die Zustellung erneut versucht und zählt als fehlgeschlagen',
  '{0} to an event that you had accepted before. An event can arrive twice: answer 2xx and do not handle it again; {1}.':
    '{0}, auf ein Ereignis, das Sie schon angenommen hatten. Ein Ereignis kann zweimal ankommen: Antworten Sie mit 2xx, und verarbeiten Sie es nicht noch einmal; {1}.',
  '{0} to an event whose name you cannot know. A webhook that subscribes to "*" gets new types of events without notice: answer 2xx to those that you do not know; {1}.':
    '{0}, auf ein Ereignis, dessen Namen Sie nicht kennen können. Ein Webhook, der "*" abonniert hat, erhält neue Arten von Ereignissen ohne Ankündigung: Antworten Sie mit 2xx auf die, die Sie nicht kennen; {1}.',
  'This shows nothing, because you did not accept the valid event of the first step either: {0}.':
    'Das zeigt nichts, weil Sie auch das gültige Ereignis des ersten Schritts nicht angenommen haben: {0}.',
  'This shows neither that you accept such a request nor that you refuse it: {0}.':
    'Das zeigt weder, dass Sie eine solche Anfrage annehmen, noch, dass Sie sie ablehnen: {0}.',
  // Errors of the API that are not about a field
  'Invalid or missing API key':
    'ungültiger oder fehlender API-Schlüssel',
  'this key may only read; {0} needs a key with the scope full':
    'dieser Schlüssel darf nur lesen; {0} braucht einen Schlüssel mit dem Umfang full',
  'the body is {0} bytes; the limit is {1}':
    'der Body hat {0} Bytes; das Limit ist {1}',
  '{0}; try again in {1} s':
    '{0}; versuchen Sie es in {1} s noch einmal',
  'something went wrong on our side; the request id helps us to find out what':
    'auf unserer Seite ist etwas schiefgegangen; die ID der Anfrage hilft uns, den Grund zu finden',
  'there is no webhook {0}':
    'es gibt keinen Webhook {0}',
  'there is no delivery of event {0} to this webhook':
    'es gibt keine Zustellung des Ereignisses {0} an diesen Webhook',
  'there is no event {0}':
    'es gibt kein Ereignis {0}',
  'webhook {0} has no resend':
    'Webhook {0} hat kein erneutes Senden',
  'webhook {0} has no rehearsal':
    'Webhook {0} hat keinen Probelauf',
  'webhook {0} was rehearsed less than a minute ago':
    'Webhook {0} hatte vor weniger als einer Minute einen Probelauf',
  'event {0} was erased, so it cannot be sent':
    'Ereignis {0} wurde unwiderruflich gelöscht und kann nicht gesendet werden',
  'webhook {0} is disabled{1}; make it active first':
    'Webhook {0} ist deaktiviert{1}; aktivieren Sie ihn zuerst',
  ' ({0})':
    ' ({0})',
  // The example programs, from docs/verifying.md
  'No packages.':
    'Keine Pakete.',
  'The standard library alone.':
    'Nur die Standardbibliothek.',
  'No packages. In Laravel the body is `$request->getContent()`, in Symfony too.':
    'Keine Pakete. In Laravel ist der Body `$request->getContent()`, in Symfony auch.',
  '`gem install webrick`. In Rails the body is `request.raw_post`, in Sinatra `request.body.read`.':
    '`gem install webrick`. In Rails ist der Body `request.raw_post`, in Sinatra `request.body.read`.',
  'Node with Express':
    'Node mit Express',
  'Python with Flask':
    'Python mit Flask',
  'Python with FastAPI':
    'Python mit FastAPI',
  'Rust with axum':
    'Rust mit axum',
};
