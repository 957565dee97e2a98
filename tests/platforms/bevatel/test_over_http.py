"""The vendor's three-step flow as its users write it: `requests`, its headers, and only the base URL is ours.

On the web server that we ship, because Django's own test server drops headers whose names contain an underscore.
"""

import requests

from messaging.models import Message


def test_contact_conversation_message(
    server: str, workspace: object, secret: str, account: int, sender: object
) -> None:
    base = f"{server}/bevatel/api/v1/accounts/{account}"
    headers = {"api_access_token": secret}

    contact = requests.post(
        f"{base}/contacts",
        headers=headers,
        json={"inbox_id": account, "name": "Rina Hartono", "phone_number": "+6281200000101"},
        timeout=30,
    ).json()["payload"]["contact"]
    source_id = contact["contact_inboxes"][0]["source_id"]
    conversation = requests.post(
        f"{base}/conversations", headers=headers, json={"source_id": source_id}, timeout=30
    ).json()
    answers = [
        requests.post(
            f"{base}/conversations/{conversation['id']}/messages",
            headers=headers,
            json={"content": content, "message_type": message_type},
            timeout=30,
        )
        for content, message_type in (("Is my order ready?", "incoming"), ("Come and fetch it.", "outgoing"))
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert list(Message.objects.order_by("pk").values_list("direction", "text", "topic")) == [
        ("incoming", "Is my order ready?", conversation["id"]),
        ("outgoing", "Come and fetch it.", conversation["id"]),
    ]


def test_the_developer_api_reads_both_headers(server: str, workspace: object, secret: str, account: int) -> None:
    answer = requests.post(
        f"{server}/bevatel/developer/api/v1/contacts",
        headers={"api_access_token": secret, "api_account_id": str(account), "Accept": "application/json"},
        json={"name": "New Contact", "email": "new_contact@example.com"},
        timeout=30,
    )

    assert (answer.status_code, answer.json()["message"]) == (201, "contact created successfully")
