"""Restores a table to a time in the past, as DynamoDB does. MiniStack restores what the table has at the moment.

The last writes to each table with point-in-time recovery are remembered. A restored table is the present one without the
writes since that time. It has the key of the table that it is restored from, as on AWS.
"""

import collections
import copy
import json
import time

MOST = 20_000
# By the table's id: the time of each write, the item's key, and the item of before.
WRITES = collections.defaultdict(lambda: collections.deque(maxlen=MOST))


def remember():
    from ministack.services import dynamodb

    put, remove = dynamodb._set_item, dynamodb._remove_item
    describe, restore = dynamodb._describe_continuous_backups, dynamodb._restore_table_to_point_in_time

    def note(table, partition, sort):
        if dynamodb._pitr_settings.get(table["TableName"]):
            before = table["items"].get(partition, {}).get(sort)
            WRITES[table["TableId"]].append((time.time(), partition, sort, before))

    def put_and_note(table, partition, sort, *rest, **named):
        note(table, partition, sort)
        return put(table, partition, sort, *rest, **named)

    def remove_and_note(table, partition, sort, *rest, **named):
        note(table, partition, sort)
        return remove(table, partition, sort, *rest, **named)

    def describe_with_times(data):
        answer = describe(data)
        if answer[0] != 200:
            return answer
        backups = json.loads(answer[2])
        table = dynamodb._tables[data["TableName"]]
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        if "EarliestRestorableDateTime" in recovery:
            recovery["EarliestRestorableDateTime"] = earliest(table)
        return dynamodb.json_response(backups)

    def restore_to_the_time(data):
        answer = restore(data)
        if answer[0] != 200:
            return answer
        source, target = (dynamodb._tables[data[name]] for name in ["SourceTableName", "TargetTableName"])
        if key := source.get("SSEDescription"):
            target["SSEDescription"] = copy.deepcopy(key)
        for moment, partition, sort, before in reversed(WRITES[source["TableId"]]):
            if moment <= data["RestoreDateTime"]:
                break
            target["items"][partition].pop(sort, None)
            if before is not None:
                target["items"][partition][sort] = copy.deepcopy(before)
        dynamodb._items_replaced(target)
        return answer

    dynamodb._set_item, dynamodb._remove_item = put_and_note, remove_and_note
    dynamodb._describe_continuous_backups = describe_with_times
    dynamodb._restore_table_to_point_in_time = restore_to_the_time


def earliest(table):
    writes = WRITES[table["TableId"]]
    return int(writes[0][0]) + 1 if len(writes) == MOST else int(table["CreationDateTime"])
