package chat

// The vocabulary. Each list is in order of falling frequency: words are drawn
// with Zipf's law, as they come in what people write.

var nouns = list(`thing time build team version test change branch issue file problem page release
review meeting server link customer deploy config question error list call answer ticket name
message button release report number place week day screen update idea note user account form
timeout request response feature schema migration cache queue token header log script folder
document draft table column index password email invoice order price contract budget estimate
deadline sprint standup retro roadmap slide deck agenda minutes room office desk chair kitchen
coffee lunch train flight hotel ticket weekend holiday birthday photo video game song playlist
book recipe dinner pizza bike car bus phone laptop keyboard monitor cable charger battery
headset printer router switch port firewall proxy gateway cluster node container image volume
backup snapshot restore dashboard metric alert graph threshold latency throughput load spike
outage incident postmortem summary timeline owner reviewer manager designer candidate interview
offer onboarding training workshop survey newsletter blog post comment thread channel emoji
avatar profile setting permission role policy audit compliance vendor supplier shipment parcel
warehouse stock return refund discount coupon campaign banner landing footer sidebar modal
tooltip icon font colour palette layout grid spacing margin animation prototype mockup wireframe
pipeline runner artifact package dependency upgrade downgrade patch hotfix rollback flag
experiment cohort funnel retention churn revenue forecast quarter target bonus pension
insurance dentist doctor school kid dog cat garden plant weather rain snow wind sun umbrella
station platform delay detour parking traffic bridge tunnel museum concert festival match goal
referee coach league season ticketing stadium neighbour landlord plumber kitchenware whiteboard
marker notebook sticker envelope courier customs passport visa embassy translation glossary
footnote appendix chapter paragraph headline caption subtitle transcript recording microphone`)

var verbs = list(`check see look send get try use make push ask fix add move take merge test read
write update change find open close start finish break run call review deploy remove rename
split join ship book order cancel confirm approve reject explain describe show hide share copy
paste upload download install restart reload reproduce debug trace measure compare count guess
estimate plan schedule postpone prepare clean sort filter search replace restore migrate archive
delete block unblock mute pin follow invite remind translate record print sign scan charge
refund pay invoice hire train teach learn understand remember forget ignore notice mention
document refactor rewrite simplify revert rebase squash tag bump pin freeze audit encrypt rotate
revoke expire renew escalate assign claim skip repeat validate sanitise escape parse render
resize crop align animate prototype sketch draft polish publish announce celebrate`)

var pasts = list(`was got had said made did went saw sent tried changed found broke merged pushed
fixed moved took asked started finished added removed updated checked forgot noticed tested
deployed opened closed restarted rolled wrote read called booked cancelled confirmed approved
renamed shipped reproduced measured compared planned cleaned migrated deleted invited mentioned
explained lost won paid ordered learned heard thought felt kept left met spent built drew sold
bought caught taught fell grew held hid hurt knew led let lit ran rang sang sat slept spoke stood
swam threw understood woke wore`)

var gerunds = list(`working looking getting trying going waiting doing using making running failing
testing building thinking reviewing coming moving writing reading fixing talking asking deploying
checking loading timing blocking breaking hanging leaking retrying throttling shipping planning
cooking travelling driving cycling hiking painting cleaning packing printing scanning recording
streaming buffering syncing polling caching sharding indexing`)

var adjectives = list(`new good last same other old next great small sure wrong right nice big slow
fast broken weird ready late early free full empty first second whole main real open green red
easy hard better worse quick simple strange missing hidden private public local remote shared
final temporary stale flaky noisy quiet busy tired happy sorry careful clear vague short long
cheap expensive heavy light clean dirty safe risky stable nightly weekly monthly upcoming pending
blocked urgent optional mandatory legacy internal external upstream downstream duplicate partial
complete verbose silent random obvious subtle nasty lovely cosy sunny rainy freezing delicious
spicy vegetarian ridiculous brilliant plausible suspicious unrelated unexpected reproducible`)

var adverbs = list(`just now really still again probably actually maybe already only also never
always here there soon today tomorrow yesterday later usually definitely quickly slowly finally
apparently basically honestly hopefully somehow anyway instead together separately locally
manually automatically silently accidentally eventually constantly rarely mostly almost barely
properly randomly carefully immediately twice otherwise meanwhile afterwards upstairs outside
overnight remotely`)

var times = list(`today|tomorrow|this morning|after lunch|on Monday|on Friday|next week|last night
|at 10|at 3pm|before the standup|by the end of the day|in an hour|in five minutes|on Thursday
|at noon|this weekend|during the call|in the afternoon|since yesterday|a week ago|two days ago
|on the 14th|in March|before the release|after the meeting|at quarter past|around 17:30
|first thing tomorrow|over the holidays|in Q3|by Wednesday evening|as soon as the build is green`)

var openers = list(`ok|yes|hm|hey|so|well|right|thanks|sorry|oh|no|ah|sure|great|good morning|hi all
|wait|cool|hmm|yep|nope|perfect|btw|fyi|quick question|heads up|done|agreed|exactly|fair enough
|good point|no worries|my bad|one more thing|short version|for the record|on it|got it|not yet
|congrats|welcome back|sounds good|never mind|ouch|wow|lol|haha|ugh|nice one|+1|same here`)

var subjects = list(`I|we|it|you|they|that|this|he|she|someone|everyone|nobody|the customer|the team
|our side|support|finance|the other office|whoever is on call|my colleague|half of us|QA|legal
|the new intern|the vendor|marketing|the bot|the night shift`)

var preps = list(`in on for with at from to of about after before by into without through over under
between behind near against until since across during inside beyond via`)

var dets = list(`the a this that my our your the their another every some the no each any his her`)

var modals = list(`can will should could would might must can't won't shouldn't couldn't wouldn't
may need_to have_to want_to ought_to got_to`)

var links = list(`and|but|so|because|or|if|when|while|although|until|unless|which is why|even though
|as long as|in case|then`)

var emoji = list(`👍 😂 🎉 ❤️ 🙏 👀 🚀 😅 ✅ 🔥 😊 👋 🤔 😭 💯 🙌 😎 🐛 ☕ 🥳 😢 ⚠️ 📌 🤷 💡 🍕 🌧️ 🎯 🧪 🛠️ 🏖️ 🐈
🇪🇸 🇯🇵 👩‍💻 🧑🏽‍🚀 🫠 🪴 🥐 🚲`)

var spanish = list(`de la que el en y a los se del las un por con no una su para es al lo como más o
pero sus le ya este sí porque esta entre cuando muy sin sobre también me hasta hay donde quien
desde todo nos durante todos uno les ni contra otros ese eso ante ellos mañana reunión gracias
vale luego ahora servidor cambio despliegue error prueba semana lunes viernes café problema
rápido después todavía aquí cliente versión página`)

var japanese = list(`です ます した して から ので けど ありがとう お願いします 確認 修正 会議 明日 今日 週末 
サーバー エラー テスト リリース 変更 対応 問題 資料 更新 連絡 予定 大丈夫 了解 少し まだ もう一度 あとで 
ログ 画面 お疲れさま すみません 動いて 見て 送り 待って`)

var german = list(`die der und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch
es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über so zum haben
nur oder aber vor zur bis mehr durch man morgen Besprechung danke Änderung Prüfung läuft Woche
Montag Freitag Fehler Kunde schnell später schon hier Bescheid Grüße könnte müssen würde`)

// The words of each room's trade; a message of a room draws some of its nouns
// from there.
var trades = [][]string{
	list(`scheduler goroutine mutex deadlock benchmark allocation profiler heap stack escape
	interface generics linter vet toolchain module workspace vendoring fuzzing race channel
	context cancellation websocket handshake frame upgrade keepalive backpressure`),
	list(`shipment pallet barcode forklift dock carrier tracking manifest customs pickup depot
	sorting label returns inventory picker conveyor tote invoice freight tariff container`),
	list(`typography kerning contrast persona journey storyboard figma component variant token
	accessibility breakpoint illustration moodboard gradient hero carousel onboarding empty-state`),
	list(`ledger payout chargeback settlement reconciliation webhook merchant acquirer IBAN SEPA
	dispute fee currency rounding balance statement compliance KYC fraud score threshold`),
	list(`tenant replica failover quorum snapshot compaction shard partition vacuum index planner
	bloat checkpoint WAL lag connection-pool pgbouncer lock migration constraint trigger`),
	list(`lesson homework exam syllabus lecture seminar thesis grade classroom semester tutor quiz
	essay library reading bibliography lab microscope excursion deadline attendance certificate`),
}

var firstNames = list(`Ana Ben Carla David Elena Farid Grace Hugo Ines Jonas Kenji Lucía Marta Noah
Olga Pablo Quentin Rosa Sven Tomás Uma Viktor Wanda Xin Yuki Zoë Aisha Björn Chidi Dolores Emre
Fatima Giulia Henrik Irina João Kwame Łukasz Mehdi Nadia`)

var lastNames = list(`García Müller Silva Okafor Tanaka Novak Rossi Dubois Kowalski Andersson Haddad
Petrov Nguyen O'Brien Fernández Schmidt Costa Ibrahim Sato Horváth Moreau Lind Yılmaz Bianchi
Castillo Weber Sørensen Mensah Ivanova Park Reyes Fischer Almeida Kaya`)

var hosts = list(`github.example.com docs.example.com wiki.corp.example www.example.org
tickets.example.com drive.example.com grafana.corp.example en.wiki.example news.example.net
status.example.com maps.example.org video.example.net`)

var roomNames = list(`general backend releases support-eu random design-review incidents logistics
payments data-platform frontend hiring lunch course-b2 ops-night mobile`)

var fileNames = list(`screenshot report invoice export notes diagram budget recording logo draft
profile trace backup contract agenda photo`)

var fileTypes = list(`png image/png jpg image/jpeg pdf application/pdf csv text/csv mp4 video/mp4 zip
application/zip txt text/plain`)
