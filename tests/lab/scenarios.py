"""SIPp scenarios, put together from messages: what the caller does, what the callee does."""

HEADERS = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "@NAME@" <sip:@CALLER@@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:@CALLEE@@[remote_ip]:[remote_port]>@TO_TAG@
Call-ID: [call_id]
CSeq: @CSEQ@ @METHOD@
Contact: <sip:@CALLER@@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
User-Agent: Lab Phone 1.0
"""

SDP = """v=0
o=lab 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] @MEDIA_IP@
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=ptime:20
@DIRECTION@
"""


def request(method, cseq, *, to_tag="[peer_tag_param]", body="", extra="", media_ip="[media_ip]",
            direction="a=sendrecv", retrans=True, start="sip:@CALLEE@@[remote_ip]:[remote_port]"):
    """A <send> of the caller."""
    if method in ("INVITE", "CANCEL") and not to_tag:
        pass
    text = f"{method} {start} SIP/2.0\n" + HEADERS.replace("@TO_TAG@", to_tag)
    text = text.replace("@CSEQ@", str(cseq)).replace("@METHOD@", method)
    if method in ("CANCEL",) or (method == "ACK" and not to_tag):
        text = text.replace("[branch]", "[branch-0]")
    text += extra
    return send(text, body, media_ip, direction, retrans and method not in ("ACK", "CANCEL"))


def response(code, phrase, *, body="", extra="", media_ip="[media_ip]", direction="a=sendrecv",
             retrans=False):
    """A <send> of the callee."""
    text = (f"SIP/2.0 {code} {phrase}\n[last_Via:]\n[last_From:]\n"
            "[last_To:];tag=[pid]b[call_number]\n[last_Call-ID:]\n[last_CSeq:]\n"
            "Contact: <sip:[local_ip]:[local_port];transport=[transport]>\n"
            "Server: Lab PBX 2.0\n" + extra)
    return send(text, body, media_ip, direction, retrans)


def again(code, phrase, **more):
    """A response within a dialog: the To tag is there already."""
    return response(code, phrase, **more).replace("[last_To:];tag=[pid]b[call_number]", "[last_To:]")


def send(text, body, media_ip, direction, retrans):
    if body == "sdp":
        body = SDP.replace("@MEDIA_IP@", media_ip).replace("@DIRECTION@", direction)
        text += "Content-Type: application/sdp\n"
    text += "Content-Length: [len]\n\n" + body
    attribute = ' retrans="500"' if retrans else ""
    return f"<send{attribute}><![CDATA[\n{text}\n]]></send>\n"


def expect(what, *, optional=False, auth=False, rrs=False):
    kind = "response" if isinstance(what, int) else "request"
    flags = (' optional="true"' if optional else "") + (' auth="true"' if auth else "")
    flags += ' rrs="true"' if rrs else ""
    return f'<recv {kind}="{what}"{flags}/>\n'


def pause(millis):
    return f'<pause milliseconds="{millis}"/>\n'


def play(media):
    return f'<nop><action><exec play_pcap_audio="{media}"/></action></nop>\n' if media else ""


REGISTER = """REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "@NAME@" <sip:@CALLER@@[remote_ip]>;tag=[pid]r[call_number]
To: "@NAME@" <sip:@CALLER@@[remote_ip]>
Call-ID: [call_id]
CSeq: @CSEQ@ REGISTER
Contact: <sip:@CALLER@@[local_ip]:[local_port];transport=[transport]>
Expires: @EXPIRES@
Max-Forwards: 70
User-Agent: Lab Phone 1.0
"""

CHALLENGE = 'WWW-Authenticate: Digest realm="lab", nonce="1a2b3c", algorithm=MD5\n'


def registered(expires):
    """A phone registers after a challenge, for so many seconds: (phone, registrar)."""
    contact = f"Expires: {expires}\n"
    return registration(expires, response(200, "OK", extra=contact), expect(200))


def register_refused(code, phrase):
    """The registrar refuses the credentials."""
    return registration(300, response(code, phrase), expect(code))


def registration(expires, answer, expected):
    first, second = (send(REGISTER.replace("@CSEQ@", str(cseq)).replace("@EXPIRES@", str(expires))
                          + extra, "", "", "", True)
                     for cseq, extra in ((1, ""), (2, "[authentication username=lab password=lab]\n")))
    phone = [first, expect(401, auth=True), second, expected]
    registrar = [expect("REGISTER"), response(401, "Unauthorized", extra=CHALLENGE),
                 expect("REGISTER"), answer]
    return scenario(*phone), scenario(*registrar)


def scenario(*steps):
    return ('<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="lab">\n'
            + "".join(steps) + "</scenario>\n")


def answered(ring, talk, caller_media, callee_media, *, hang_up="caller", hold=0, digits="",
             auth=False, nat_ip=None):
    """A call that is answered: (caller, callee). Times in ms."""
    media_ip = nat_ip or "[media_ip]"
    invite = dict(to_tag="", body="sdp", media_ip=media_ip)
    caller, callee = [], []
    cseq = 1
    if auth:
        caller += [request("INVITE", 1, **invite), expect(401, auth=True),
                   request("ACK", 1, retrans=False).replace("[branch]", "[branch-2]")]
        callee += [expect("INVITE"), response(401, "Unauthorized", extra=CHALLENGE),
                   expect("ACK")]
        invite["extra"] = "[authentication username=lab password=lab]\n"
        cseq = 2
    caller += [request("INVITE", cseq, **invite), expect(100, optional=True),
               expect(180, optional=True), expect(200, rrs=True), request("ACK", cseq)]
    callee += [expect("INVITE"), response(100, "Trying"), response(180, "Ringing"), pause(ring),
               response(200, "OK", body="sdp", retrans=True), expect("ACK")]
    caller.append(play(caller_media))
    callee.append(play(callee_media))
    for digit in digits:
        cseq += 1
        body = f"Signal={digit}\nDuration=160\n"
        caller += [pause(150), request("INFO", cseq, body=body,
                                       extra="Content-Type: application/dtmf-relay\n"),
                   expect(200)]
        callee += [expect("INFO"), again(200, "OK")]
    if hold:
        for direction, answer in (("a=sendonly", "a=recvonly"), ("a=sendrecv", "a=sendrecv")):
            cseq += 1
            caller += [pause(hold), request("INVITE", cseq, body="sdp", direction=direction),
                       expect(100, optional=True), expect(200), request("ACK", cseq)]
            callee += [expect("INVITE"), again(200, "OK", body="sdp", direction=answer,
                                               retrans=True), expect("ACK")]
    if hang_up == "caller":
        caller += [pause(talk), request("BYE", cseq + 1), expect(200)]
        callee += [expect("BYE"), again(200, "OK")]
    else:
        bye = (
            "BYE sip:@CALLER@@[remote_ip]:[remote_port] SIP/2.0\n"
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
            "From: <sip:@CALLEE@@[local_ip]:[local_port]>;tag=[pid]b[call_number]\n"
            'To: "@NAME@" <sip:@CALLER@@[remote_ip]:[remote_port]>[peer_tag_param]\n'
            "Call-ID: [call_id]\nCSeq: 1 BYE\nMax-Forwards: 70\n"
        )
        callee += [pause(talk), send(bye, "", "", "", True), expect(200)]
        caller += [expect("BYE"), again(200, "OK")]
    return scenario(*caller), scenario(*callee)


def refused(code, phrase, ring=0):
    """A call that the callee refuses, after ringing for a while if `ring`."""
    callee = [expect("INVITE"), response(100, "Trying")]
    caller = [request("INVITE", 1, to_tag="", body="sdp"), expect(100, optional=True)]
    if ring:
        callee += [response(180, "Ringing"), pause(ring)]
        caller += [expect(180)]
    callee += [response(code, phrase), expect("ACK")]
    caller += [expect(code), request("ACK", 1).replace("[branch]", "[branch-%d]" % (3 if ring else 2))]
    return scenario(*caller), scenario(*callee)


def cancelled(ring):
    """A call that the caller gives up while it rings."""
    caller = [request("INVITE", 1, to_tag="", body="sdp"), expect(100, optional=True), expect(180),
              pause(ring), request("CANCEL", 1, to_tag="").replace("[branch-0]", "[branch-4]"),
              expect(200), expect(487),
              request("ACK", 1).replace("[branch]", "[branch-7]")]
    to_invite = ("SIP/2.0 487 Request Terminated\n[last_Via:]\n[last_From:]\n[last_To:]\n"
                 "[last_Call-ID:]\nCSeq: 1 INVITE\n")
    callee = [expect("INVITE"), response(100, "Trying"), response(180, "Ringing"),
              expect("CANCEL"), response(200, "OK"),
              send(to_invite.replace("[last_To:]", "[last_To:];tag=[pid]b[call_number]"), "", "", "", False),
              expect("ACK")]
    return scenario(*caller), scenario(*callee)
