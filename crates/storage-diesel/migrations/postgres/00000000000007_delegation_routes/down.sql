DROP TABLE delegation_routes;
