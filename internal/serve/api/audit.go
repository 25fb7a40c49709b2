package api

import (
	"context"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/audit"
)

// auditLogs answers for /audit-logs, /auditlog-exts and what they show of one
// project.
type auditLogs struct{ audit *audit.Service }

type auditLog struct {
	ID           int64  `json:"id"`
	Username     string `json:"username"`
	Resource     string `json:"resource"`
	ResourceType string `json:"resource_type"`
	Operation    string `json:"operation"`
	At           moment `json:"op_time"`
}

type auditLogExt struct {
	ID           int64  `json:"id"`
	Username     string `json:"username"`
	Resource     string `json:"resource"`
	ResourceType string `json:"resource_type"`
	Operation    string `json:"operation"`
	Description  string `json:"operation_description"`
	Result       bool   `json:"operation_result" doc:"whether it was done"`
	At           moment `json:"op_time"`
}

func asAuditLog(r audit.Row) auditLog {
	return auditLog{r.ID, r.Username, r.Resource, r.ResourceType, r.Operation, moment(r.At)}
}

func asAuditLogExt(r audit.Row) auditLogExt {
	return auditLogExt{r.ID, r.Username, r.Resource, r.ResourceType, r.Operation, r.Description, r.Success, moment(r.At)}
}

type listAuditLogs struct {
	Filtering
	Paging
}

func (a auditLogs) list(ctx context.Context, in *listAuditLogs) (*list[auditLog], error) {
	found, total, err := a.find(ctx, in)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asAuditLog), nil
}

func (a auditLogs) listExt(ctx context.Context, in *listAuditLogs) (*list[auditLogExt], error) {
	found, total, err := a.find(ctx, in)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asAuditLogExt), nil
}

func (a auditLogs) find(ctx context.Context, in *listAuditLogs) ([]audit.Row, int64, error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, 0, err
	}
	return a.audit.List(ctx, access.From(ctx), q)
}

type listProjectLogs struct {
	InNamedProject
	Filtering
	Paging
}

func (a auditLogs) listOfProject(ctx context.Context, in *listProjectLogs) (*list[auditLog], error) {
	found, total, err := a.findInProject(ctx, in)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asAuditLog), nil
}

func (a auditLogs) listExtOfProject(ctx context.Context, in *listProjectLogs) (*list[auditLogExt], error) {
	found, total, err := a.findInProject(ctx, in)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asAuditLogExt), nil
}

func (a auditLogs) findInProject(ctx context.Context, in *listProjectLogs) ([]audit.Row, int64, error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, 0, err
	}
	return a.audit.InProject(ctx, in.project.ID, q)
}

type eventTypesAnswer struct{ Body []auditEventType }

type auditEventType struct {
	Type string `json:"event_type"`
}

func (auditLogs) kinds(context.Context, *struct{}) (*eventTypesAnswer, error) {
	out := &eventTypesAnswer{make([]auditEventType, len(audit.Kinds))}
	for i, kind := range audit.Kinds {
		out.Body[i].Type = kind
	}
	return out, nil
}
